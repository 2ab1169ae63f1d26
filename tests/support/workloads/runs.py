"""Runs as agents publish them, with the disorder that occurs in practice.

The same random numbers make the same runs. The events' timestamps are random and in no order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
SENTENCE = 'the run waits for a person, "quoted", in Köln at 5 °C 🤖 and back\\slash /path\ttab \u2028 line'
TOOLS = ("search", "read_file", "ask_human", "spawn_agent", "respond_to_user", "done", "approve", "reply", "")
ROLES = {"approve": "waits", "reply": "finishes"}
STIMULI = ("message_from_user", "awake_from_system", "system_message", "tool_result", "human_response")


@dataclass
class RunWriter:
    """Makes the events of one run.

    Attributes:
        relatives: runs that `_start` may name as the parent, besides this run and a missing one.
        written: the ids of its events so far.
    """

    rng: Random
    run_id: str
    relatives: list[str]
    written: list[str] = field(default_factory=list)

    def event(self, kind: str, **fields: object) -> dict[str, object]:
        """An event with the common fields; its parent may be an earlier event, a missing one or none."""
        event_id = new_id(self.rng)
        common: dict[str, object] = {"type": kind, "id": event_id, "timestamp": self._timestamp()}
        if self.rng.random() < 0.8:
            common["parent_event_id"] = self.rng.choice([None, new_id(self.rng), *self.written[-3:]])
        if self.rng.random() < 0.05:
            common["trace"] = {"span": new_id(self.rng), "score": self.rng.random()}
        self.written.append(event_id)
        return common | fields

    def text(self, most_words: int) -> str:
        """Between 0 and `most_words` words."""
        return " ".join(self.rng.choices(SENTENCE.split(" "), k=self.rng.randint(0, most_words)))

    def any_json(self) -> object:
        """A random JSON value."""
        choices: tuple[object, ...] = (
            None,
            True,
            0,
            -1.5,
            2**70,
            1e-9,
            [],
            {},
            self.text(9),
            [self.text(3), {"n": [1, 2.0]}],
            {"é": None},
        )
        return self.rng.choice(choices)

    def _timestamp(self) -> str:
        second = f"2026-0{self.rng.randint(1, 9)}-1{self.rng.randint(0, 9)}T1{self.rng.randint(0, 9)}:00:59"
        return second + self.rng.choice(("", ".5", ".123456789")) + self.rng.choice(("Z", "+00:00", "-07:30"))


def new_id(rng: Random) -> str:
    """An id as the library makes them; in one of twenty cases an unusual one."""
    if rng.random() < 0.95:
        return "".join(rng.choices(ALPHABET, k=12))
    return rng.choice(("é", "a b", "run/", "0", "'; --", "🤖")) + str(rng.getrandbits(64))


def run_events(writer: RunWriter) -> Iterator[dict[str, object]]:
    """One run; its run_started and its ending may be missing; events may follow the ending."""
    yield from _opening(writer)
    for _ in range(writer.rng.randint(1, 6)):
        part = writer.rng.choice((_turn, _turn, _turn, _questions, _pause, _dropped, _unknown_type_and_run_started))
        yield from part(writer)
    yield from _ending(writer)
    if writer.rng.random() < 0.5:
        yield from _audit(writer)  # arrive after the end
    if writer.rng.random() < 0.2:
        yield from _turn(writer)
        yield writer.event("input", tool="message_from_user", data={"text": "one more thing"})


def _opening(writer: RunWriter) -> Iterator[dict[str, object]]:
    if writer.rng.random() < 0.2:
        yield from _audit(writer)  # events before run_started
    if writer.rng.random() < 0.9:
        yield _start(writer)
    yield writer.event("input", tool=writer.rng.choice(STIMULI), data=writer.any_json())


def _start(writer: RunWriter) -> dict[str, object]:
    facts: dict[str, object] = {"agent_id": writer.rng.choice(("planner", "coder", "unknown", new_id(writer.rng)))}
    if writer.rng.random() < 0.7:
        facts["session_id"] = writer.rng.choice((None, "session-1", new_id(writer.rng)))
    if writer.rng.random() < 0.7:
        facts["parent_run_id"] = writer.rng.choice((None, writer.run_id, new_id(writer.rng), *writer.relatives))
    if writer.rng.random() < 0.5:
        facts["labels"] = writer.rng.choice((None, {}, {"version": new_id(writer.rng), "environment": "test", "é": ""}))
    return writer.event("run_started", **facts)


def _turn(writer: RunWriter) -> Iterator[dict[str, object]]:
    yield from _audit(writer)
    tool = _tool(writer, writer.rng.choice(TOOLS))
    yield writer.event("tool_requested", **tool, tool_args=writer.any_json())
    yield _result(writer, tool)


def _tool(writer: RunWriter, name: str) -> dict[str, object]:
    """The fields of a tool; sometimes with a role that it does not have, or without the one that it has."""
    if writer.rng.random() < 0.1:
        return {"tool_name": name, "role": writer.rng.choice((None, "waits", "finishes", "another role"))}
    return {"tool_name": name, "role": ROLES[name]} if name in ROLES else {"tool_name": name}


def _result(writer: RunWriter, tool: dict[str, object], **common: object) -> dict[str, object]:
    if writer.rng.random() < 0.8:
        return writer.event("tool_succeeded", **common, **tool, result=writer.any_json())
    return writer.event("tool_failed", **common, **tool, error=writer.text(9))


def _audit(writer: RunWriter) -> Iterator[dict[str, object]]:
    yield writer.event("context_assembled", context=[writer.any_json(), writer.text(40)])
    prompts = {"system_prompt": writer.text(60), "user_prompt": writer.text(60), "raw_response": writer.text(90)}
    yield writer.event("llm_called", model="model-1", **prompts)


def _questions(writer: RunWriter) -> Iterator[dict[str, object]]:
    """Questions at the same time; answers in any order, some of them repeated, missing, or without their question."""
    tools = writer.rng.choices(("ask_human", "ask_human", "spawn_agent", "approve"), k=writer.rng.randint(1, 3))
    requests = [
        writer.event("tool_requested", **_tool(writer, tool), tool_args={"question": writer.text(9)}) for tool in tools
    ]
    yield from requests
    yield writer.event("tool_requested", tool_name="search", tool_args={})  # a parallel tool does not end the waiting
    for request in writer.rng.sample(requests, writer.rng.randint(0, len(requests))):
        for _ in range(writer.rng.choice((1, 1, 2))):
            yield _answer(writer, request)


def _answer(writer: RunWriter, request: dict[str, object]) -> dict[str, object]:
    named = {"parent_event_id": request["id"]} if writer.rng.random() < 0.7 else {}
    if writer.rng.random() < 0.4:
        return writer.event("input", **named, tool="human_response", data=writer.text(9))
    return _result(writer, {"tool_name": request["tool_name"]}, **named)


def _pause(writer: RunWriter) -> Iterator[dict[str, object]]:
    yield writer.event("run_waiting", reason=writer.rng.choice((None, "approval")))
    if writer.rng.random() < 0.7:
        yield writer.event("run_resumed")


def _dropped(writer: RunWriter) -> Iterator[dict[str, object]]:
    yield writer.event("events_dropped", count=writer.rng.choice((1, 7, 2**31 - 1)), reason="queue full")


def _unknown_type_and_run_started(writer: RunWriter) -> Iterator[dict[str, object]]:
    """An event of an unknown type, and a second run_started."""
    yield writer.event(writer.rng.choice(("thought", "run_archived", "RUN_FAILED", "é")), error=5, result=None)
    yield _start(writer)


def _ending(writer: RunWriter) -> Iterator[dict[str, object]]:
    ending = writer.rng.random()
    if ending < 0.3:
        yield writer.event("tool_succeeded", tool_name="respond_to_user", result=writer.text(30))
    elif ending < 0.6:
        yield writer.event("run_completed", result=writer.any_json())
    elif ending < 0.8:
        yield writer.event("run_failed", error=writer.text(9))


def encode_variant(rng: Random, value: object) -> bytes:
    """The value as JSON with a random order of names, random white space and random escapes."""
    separators = rng.choice(((",", ":"), (", ", ": "), (" ,\t", " :\r\n")))
    indent = rng.choice((None, None, None, 2))
    text = json.dumps(_shuffled(rng, value), ensure_ascii=rng.random() < 0.5, separators=separators, indent=indent)
    return text.encode()


def _shuffled(rng: Random, value: object) -> object:
    if isinstance(value, list):
        return [_shuffled(rng, item) for item in value]
    if isinstance(value, dict):
        names = rng.sample(list(value), len(value))
        return {name: _shuffled(rng, value[name]) for name in names}
    return value
