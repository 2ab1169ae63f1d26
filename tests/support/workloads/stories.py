"""What agents publish on an ordinary day, with the disorder that goes with it: the runs of the acceptance test.

Seeded: the same random numbers tell the same stories. Times are of the stories' own and mean nothing but an order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
SENTENCE = 'the run waits for a person, "quoted", in Köln at 5 °C 🤖 and back\\slash /path\ttab \u2028 line'
TOOLS = ("search", "read_file", "ask_human", "spawn_agent", "respond_to_user", "done", "")
STIMULI = ("message_from_user", "awake_from_system", "system_message", "tool_result", "human_response")


@dataclass
class Author:
    """Writes the events of one run."""

    rng: Random
    run_id: str
    relatives: list[str]  # runs that may be named as a parent: earlier, later, itself, or never to come
    written: list[str] = field(default_factory=list)

    def event(self, kind: str, **fields: object) -> dict[str, object]:
        """One event with its common fields; which event it follows from isn't always true."""
        event_id = new_id(self.rng)
        common: dict[str, object] = {"type": kind, "id": event_id, "timestamp": self._timestamp()}
        if self.rng.random() < 0.8:
            common["parent_event_id"] = self.rng.choice([None, new_id(self.rng), *self.written[-3:]])
        if self.rng.random() < 0.05:
            common["trace"] = {"span": new_id(self.rng), "score": self.rng.random()}
        self.written.append(event_id)
        return common | fields

    def text(self, longest: int) -> str:
        """Up to so many words."""
        return " ".join(self.rng.choices(SENTENCE.split(" "), k=self.rng.randint(0, longest)))

    def something(self) -> object:
        """Any JSON."""
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
    """Mostly as our own library makes them; sometimes as somebody else might."""
    if rng.random() < 0.95:
        return "".join(rng.choices(ALPHABET, k=12))
    return rng.choice(("é", "a b", "run/", "0", "'; --", "🤖")) + str(rng.getrandbits(64))


def story(author: Author) -> Iterator[dict[str, object]]:
    """One run from its start to its end, and sometimes beyond."""
    yield from _opening(author)
    for _ in range(author.rng.randint(1, 6)):
        yield from author.rng.choice((_turn, _turn, _turn, _question, _pause, _hole, _novelty))(author)
    yield from _ending(author)
    if author.rng.random() < 0.5:
        yield from _audit(author)  # trails behind the end
    if author.rng.random() < 0.2:
        yield from _turn(author)
        yield author.event("input", tool="message_from_user", data={"text": "one more thing"})


def _opening(author: Author) -> Iterator[dict[str, object]]:
    if author.rng.random() < 0.2:
        yield from _audit(author)  # events that come before the run has started
    if author.rng.random() < 0.9:
        yield _start(author)
    yield author.event("input", tool=author.rng.choice(STIMULI), data=author.something())


def _start(author: Author) -> dict[str, object]:
    facts: dict[str, object] = {"agent_id": author.rng.choice(("planner", "coder", "unknown", new_id(author.rng)))}
    if author.rng.random() < 0.7:
        facts["session_id"] = author.rng.choice((None, "session-1", new_id(author.rng)))
    if author.rng.random() < 0.7:
        facts["parent_run_id"] = author.rng.choice((None, author.run_id, new_id(author.rng), *author.relatives))
    return author.event("run_started", **facts)


def _turn(author: Author) -> Iterator[dict[str, object]]:
    yield from _audit(author)
    tool = author.rng.choice(TOOLS)
    yield author.event("tool_requested", tool_name=tool, tool_args=author.something())
    if author.rng.random() < 0.8:
        yield author.event("tool_succeeded", tool_name=tool, result=author.something())
    else:
        yield author.event("tool_failed", tool_name=tool, error=author.text(9))


def _audit(author: Author) -> Iterator[dict[str, object]]:
    yield author.event("context_assembled", context=[author.something(), author.text(40)])
    prompts = {"system_prompt": author.text(60), "user_prompt": author.text(60), "raw_response": author.text(90)}
    yield author.event("llm_called", model="model-1", **prompts)


def _question(author: Author) -> Iterator[dict[str, object]]:
    yield author.event("tool_requested", tool_name="ask_human", tool_args={"question": author.text(9)})
    yield author.event("tool_requested", tool_name="search", tool_args={})  # a parallel tool doesn't end the waiting
    if author.rng.random() < 0.7:
        yield author.event("tool_succeeded", tool_name="ask_human", result=author.text(9))


def _pause(author: Author) -> Iterator[dict[str, object]]:
    yield author.event("run_waiting", reason=author.rng.choice((None, "approval")))
    if author.rng.random() < 0.7:
        yield author.event("run_resumed")


def _hole(author: Author) -> Iterator[dict[str, object]]:
    yield author.event("events_dropped", count=author.rng.choice((1, 7, 2**31 - 1)), reason="queue full")


def _novelty(author: Author) -> Iterator[dict[str, object]]:
    """Types of a later version, and a run that says twice that it starts."""
    yield author.event(author.rng.choice(("thought", "run_archived", "RUN_FAILED", "é")), error=5, result=None)
    yield _start(author)


def _ending(author: Author) -> Iterator[dict[str, object]]:
    ending = author.rng.random()
    if ending < 0.3:
        yield author.event("tool_succeeded", tool_name="respond_to_user", result=author.text(30))
    elif ending < 0.6:
        yield author.event("run_completed", result=author.something())
    elif ending < 0.8:
        yield author.event("run_failed", error=author.text(9))


def spell(rng: Random, value: object) -> bytes:
    """One of the many ways to write the same JSON: order of names, white space, escapes."""
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
