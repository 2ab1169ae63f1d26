"""A log in which everything happens: runs that spawn runs in other partitions, repeats, conflicts, bad records."""

import random
from collections.abc import Iterator, Mapping

from tests.support.messages import Message, event, holding

PARTITIONS = 3
RUNS = 12
KINDS: Mapping[str, Mapping[str, object]] = {
    "input": {},
    "tool_requested": {"tool_name": "ask_human"},
    "tool_succeeded": {"tool_name": "ask_human", "result": [1.5, "é"]},
    "llm_called": {"model": "m", "system_prompt": "s", "user_prompt": "u", "raw_response": "r"},
    "run_completed": {},
    "events_dropped": {"count": 7},
    "of_tomorrow": {},
}


def mixed_log(seed: int, size: int) -> list[Message]:
    """So many records; the same for the same seed."""
    rng = random.Random(seed)
    log = list(_starts(rng))
    while len(log) < size:
        log += _next(rng, log, len(log))
    return log[:size]


def _starts(rng: random.Random) -> Iterator[Message]:
    """Children before their parents, and some that name a parent which never comes."""
    for number in rng.sample(range(RUNS), RUNS):
        parent = rng.choice([None, f"run-{rng.randrange(RUNS)}", f"elsewhere-{rng.randrange(2)}"])
        fields = {"agent_id": f"agent-{number % 3}", "session_id": f"session-{number % 4}", "parent_run_id": parent}
        yield _of(number, event("start", "run_started", **fields))


def _next(rng: random.Random, log: list[Message], number: int) -> list[Message]:
    run, event_id = rng.randrange(RUNS), f"event-{number}"
    kind = rng.choice([*KINDS] * 3 + ["repeat", "conflict", "bad", "raw", "second start", "refused"])
    match kind:
        case "repeat":
            return [rng.choice(log)]
        case "conflict":
            return [_of(run, event("start", data=number))]
        case "bad":
            return [_of(run, rng.choice([b"{", None, b"[]"]))]
        case "raw":
            return [_of(run, holding(event_id, rng.choice([rb'"\u0000"', rb'"\ud800"'])))]
        case "refused":
            return [_of(run, holding(event_id, b"1e131072"))]
        case "second start":
            return [_of(run, event(event_id, "run_started", agent_id="other", parent_run_id="never"))]
    return [_of(run, event(event_id, kind, **KINDS[kind]))]


def _of(run: int, value: bytes | None) -> Message:
    return Message(b"run-%d" % run, value, run % PARTITIONS)
