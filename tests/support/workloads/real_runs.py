"""Real agents' runs as events: trajectories of a public agent benchmark, from the folder AGENT_RUNS_REAL_RUNS."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent_runs import Input, LlmCalled, RunCompleted, RunEvent, RunStarted, ToolRequested, ToolSucceeded

Trajectory = dict[str, Any]
AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


def trajectories(limit: int | None = None) -> list[Trajectory]:
    """The recorded trajectories; the test is skipped without them."""
    folder = os.environ.get("AGENT_RUNS_REAL_RUNS")
    if not folder or not Path(folder, "airline.jsonl").exists():
        pytest.skip("AGENT_RUNS_REAL_RUNS does not name a folder with airline.jsonl")
    with Path(folder, "airline.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file][:limit]


def events_of(trajectory: Trajectory) -> list[RunEvent]:
    """The events of one trajectory, in order: an input per user message, a model call per answer, its tool calls."""
    events: list[RunEvent] = [RunStarted(id="started", timestamp=AT, agent_id=trajectory["agent"], session_id="s")]
    history = trajectory["messages"]
    for n, said in enumerate(history[1:], 1):
        match said["role"]:
            case "user":
                events.append(Input(id=f"e{n}", timestamp=AT, tool="message_from_user", data=said["content"]))
            case "assistant":
                events += _model_call(trajectory, n)
            case "tool":
                # The ids of calls repeat within a run: the answer belongs to the last request.
                fields = {"tool_name": said["name"], "parent_event_id": events[-1].id}
                events.append(ToolSucceeded(id=f"e{n}", timestamp=AT, result=said["content"], **fields))
    return [*events, RunCompleted(id="completed", timestamp=AT, result=trajectory["reward"])]


def _model_call(trajectory: Trajectory, n: int) -> Iterator[RunEvent]:
    history = trajectory["messages"]
    prompt, answer = (json.dumps(value, ensure_ascii=False) for value in (history[:n], history[n]))
    texts = {"system_prompt": history[0]["content"], "user_prompt": prompt, "raw_response": answer}
    yield LlmCalled(id=f"e{n}", timestamp=AT, model=trajectory["model"], **texts)
    for number, call in enumerate(history[n].get("tool_calls") or ()):
        function = call["function"]
        arguments = json.loads(function["arguments"])
        yield ToolRequested(id=f"e{n}-{number}", timestamp=AT, tool_name=function["name"], tool_args=arguments)
