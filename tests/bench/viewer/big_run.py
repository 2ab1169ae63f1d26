"""Fills the tables by COPY with one run of 200,000 events and 500 MB of payloads, of an agent with parallel tools."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pydoc_data.topics import topics
from random import Random
from typing import Any, Final

import asyncpg

from tests.bench.reader.tables import EVENT_COLUMNS, RUN_COLUMNS, copy

RUN: Final = "run-big"
EVENTS: Final = 200_000
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_STEP: Final = timedelta(milliseconds=200)
_PROSE: Final = "\n".join(topics.values())  # compresses as text does
_LLM, _REQUEST, _ANSWER = 6600, 400, 2200  # characters of the payloads
_CYCLE: Final = 5  # events: a call of a model, two requests, two answers
_FAILS: Final = 500  # one answer in so many is a failure


async def fill(url: str, events: int = EVENTS) -> int:
    """Insert the run, and return the bytes of its payloads."""
    connection = await asyncpg.connect(url)
    sizes: list[int] = []
    last = _START + events * _STEP
    run = f"{RUN},,agent-0,,running,{_START},{last},{events},{last},0,{_START},[],{{}}\n"
    try:
        await copy(connection, "agent_runs", RUN_COLUMNS, iter([run]))
        await copy(connection, "run_events", EVENT_COLUMNS, _rows(events, sizes))
        await connection.execute("VACUUM (ANALYZE) run_events")
    finally:
        await connection.close()
    return sum(sizes)


def _rows(events: int, sizes: list[int]) -> Iterator[str]:
    random = Random(1)
    for seq in range(events):
        message = _message(seq, random)
        text = json.dumps(message)
        sizes.append(len(text))
        quoted = text.replace('"', '""')
        parent = message["parent_event_id"] or ""
        yield f'{RUN},e{seq},{parent},{seq},{message["type"]},"{quoted}",{_START + seq * _STEP},0,{seq}\n'


def _message(seq: int, random: Random) -> dict[str, Any]:
    """The messages of a cycle: 0 the call, 1 and 2 its requests, 3 and 4 their answers, in either order."""
    place, cycle = seq % _CYCLE, seq - seq % _CYCLE
    common = {"id": f"e{seq}", "timestamp": (_START + seq * _STEP).isoformat()}
    if place == 0:
        parts = {"user": _prose(random, _LLM // 2), "tool": _prose(random, _LLM // 3)}
        prompt = json.dumps([{"role": role, "content": text} for role, text in parts.items()])
        fields = {"model": "m", "system_prompt": "s", "user_prompt": prompt, "raw_response": _prose(random, _LLM // 6)}
        usage = {"input_tokens": _LLM // 4, "output_tokens": 200}
        parent = f"e{seq - 1}" if seq else None
        return {**common, "type": "llm_called", "parent_event_id": parent, **fields, "usage": usage}
    tool = {"tool_name": ("search_web", "read_file")[place % 2]}
    if place < 3:
        arguments = {"query": _prose(random, _REQUEST - 100), "number": seq}
        return {**common, "type": "tool_requested", "parent_event_id": f"e{cycle}", **tool, "tool_args": arguments}
    parent = f"e{seq - 2}"
    if random.randrange(_FAILS) == 0:
        return {**common, "type": "tool_failed", "parent_event_id": parent, **tool, "error": _prose(random, 200)}
    return {
        **common,
        "type": "tool_succeeded",
        "parent_event_id": parent,
        **tool,
        "result": {"text": _prose(random, _ANSWER - 150)},
    }


def _prose(random: Random, length: int) -> str:
    start = random.randrange(len(_PROSE) - length)
    return _PROSE[start : start + length]
