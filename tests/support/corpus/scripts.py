"""Records of one run that carry one event id: which are the event, which repeats, which conflicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.support.corpus.specimen import Message, changed, holding, lacking

EVENT = "event"
REPEAT = "repeat"
CONFLICT = "event_id_conflict"


# As JSON they say the same.
_SAME = (
    *(("1", "1.0"), ("100", "1e2"), ("0.1", "0.10"), ("0", "-0"), ("1e131071", "1" + "0" * 131_071)),
    *(('"é"', '"\\u00e9"'), ('"/"', '"\\/"'), ('"🤖"', '"\\ud83e\\udd16"'), ("[1,[2]]", "[\n1.0,\t[2e0]]")),
    *(('{"a":1,"b":2}', '{ "b" : 2 , "a" : 1 }'), ('{"a":1}', '{"a":2,"a":1}')),
)
_OTHER = (
    *(("1", '"1"'), ("1", "true"), ("0", "false"), ("null", "0"), ("[]", "{}"), ('""', "null"), ("[1,2]", "[2,1]")),
    *(('"é"', '"e\\u0301"'), ('"a"', '"a "'), ('"A"', '"a"'), ('"\\\\u0000"', '"u0000"'), ('{"a":null}', "{}")),
    *(('{"a":1,"a":2}', '{"a":1}'), ("0.1", "0.1000000000000000055"), ("9007199254740993", "9007199254740992")),
)
# The column looks the same in these. What was sent doesn't, and at least one of the two needs its bytes kept.
_OTHER_ALTHOUGH_STORED_ALIKE = (
    *(('"\\u0000"', '"\\ufffd"'), ('"\\ufffd"', '"\\u0000"'), ('"\\ud800"', '"\\udc00"'), ('"\\ud800"', '"\\uD800"')),
    *(('"\\u0000"', ' "\\u0000"'), ('{"a":"\\u0000","a":1}', '{"a":1}'), ('["\\u0000",1]', '["\\u0000",1.0]')),
)


@dataclass(frozen=True)
class Script:
    """Values for one event id in the order of publishing, each with what should become of it."""

    name: str
    steps: Sequence[tuple[Callable[[str], bytes], str]]

    def messages(self, run_id: bytes, event_id: str) -> list[Message]:
        return [Message(run_id, value(event_id), label=f"{self.name}: {outcome}") for value, outcome in self.steps]


def scripts() -> list[Script]:
    """All scripts, each name once."""
    return [*_pairs(), *_longer()]


def _pairs() -> Iterator[Script]:
    for first, second in _SAME:
        yield _pair(f"{first[:20]} again as {second[:20]}", first, second, REPEAT)
    for first, second in (*_OTHER, *_OTHER_ALTHOUGH_STORED_ALIKE):
        yield _pair(f"{first[:20]} and then {second[:20]}", first, second, CONFLICT)
    for literal in ('"\\u0000"', '"\\ud800"', '{"\\u0000":1}', "1e131071"):
        yield _pair(f"{literal} twice", literal, literal, REPEAT)


def _longer() -> Iterator[Script]:
    event, other = changed(data="this"), changed(data="that")
    yield Script("a conflict is not stored", [(event, EVENT), (other, CONFLICT), (other, CONFLICT), (event, REPEAT)])
    yield Script("many repeats", [(event, EVENT), *[(event, REPEAT)] * 6])
    yield Script("a refused id is free", [(lacking("input", "tool"), "invalid_event"), (event, EVENT), (event, REPEAT)])
    bad = holding("1e131072")
    yield Script("refused by the store first", [(bad, "store_rejected"), (event, EVENT), (bad, "store_rejected")])
    yield Script("invalid before it conflicts", [(event, EVENT), (changed(data=1, timestamp=""), "invalid_event")])
    yield Script("null is not absent", [(changed(), EVENT), (lacking("input", "parent_event_id"), CONFLICT)])
    zulu, offset = changed(timestamp="2026-03-01T12:00:00Z"), changed(timestamp="2026-03-01T12:00:00+00:00")
    yield Script("times are compared as they are spelled", [(zulu, EVENT), (offset, CONFLICT)])
    yield Script("another type", [(changed("run_failed"), EVENT), (changed("run_completed"), CONFLICT)])
    first, second = changed("run_started", agent_id="first"), changed("run_started", agent_id="second")
    yield Script("a start in conflict gives no facts", [(first, EVENT), (second, CONFLICT)])
    parent = changed("run_started", agent_id="third", parent_run_id="named only in a conflict")
    yield Script("a start in conflict names no parent", [(first, EVENT), (parent, CONFLICT)])


def _pair(name: str, first: str, second: str, outcome: str) -> Script:
    return Script(name, [(holding(first), EVENT), (holding(second), outcome)])
