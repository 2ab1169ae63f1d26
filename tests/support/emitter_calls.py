"""For every type of the contract, a call of the method with its name, and the fields that the event must have."""

from collections.abc import Callable
from typing import Any

from agent_runs import Run

CALLS: dict[str, Callable[[Run], str]] = {
    "input": lambda run: run.input("message_from_user", {"text": "hi"}),
    "context_assembled": lambda run: run.context_assembled(["all", None]),
    "llm_called": lambda run: run.llm_called(model="m", system_prompt="s", user_prompt="u", raw_response="r"),
    "llm_failed": lambda run: run.llm_failed(model="m", system_prompt="s", user_prompt="u", error="no"),
    "tool_requested": lambda run: run.tool_requested("search", {"q": 1}),
    "tool_succeeded": lambda run: run.tool_succeeded("search", [1]),
    "tool_failed": lambda run: run.tool_failed("search", "no"),
    "run_started": lambda run: run.run_started(agent_id="a", session_id="s", parent_run_id="p"),
    "run_waiting": lambda run: run.run_waiting("rate limit"),
    "run_resumed": lambda run: run.run_resumed("over"),
    "run_completed": lambda run: run.run_completed({"ok": True}),
    "run_failed": lambda run: run.run_failed("no"),
    "events_dropped": lambda run: run.events_dropped(3, "gap", types={"input": 3}, detail="a gap of my own"),
}
FIELDS: dict[str, dict[str, Any]] = {
    "input": {"tool": "message_from_user", "data": {"text": "hi"}},
    "context_assembled": {"context": ["all", None]},
    "llm_called": {"model": "m", "system_prompt": "s", "user_prompt": "u", "raw_response": "r"},
    "llm_failed": {"model": "m", "system_prompt": "s", "user_prompt": "u", "error": "no"},
    "tool_requested": {"tool_name": "search", "tool_args": {"q": 1}},
    "tool_succeeded": {"tool_name": "search", "result": [1]},
    "tool_failed": {"tool_name": "search", "error": "no"},
    "run_started": {"agent_id": "a", "session_id": "s", "parent_run_id": "p"},
    "run_waiting": {"reason": "rate limit"},
    "run_resumed": {"reason": "over"},
    "run_completed": {"result": {"ok": True}},
    "run_failed": {"error": "no"},
    "events_dropped": {"count": 3, "reason": "gap", "types": {"input": 3}, "detail": "a gap of my own"},
}
