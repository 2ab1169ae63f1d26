"""Records of one run with one event id, and which of them is the event, a repeat or a conflict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.support.corpus.sample import with_fields, with_literal, without_field
from tests.support.messages import Message

EVENT = "event"
REPEAT = "repeat"
CONFLICT = "event_id_conflict"


# Pairs that are equal as JSON.
_EQUAL = (
    *(("1", "1.0"), ("100", "1e2"), ("0.1", "0.10"), ("0", "-0"), ("1e131071", "1" + "0" * 131_071)),
    *(('"é"', '"\\u00e9"'), ('"/"', '"\\/"'), ('"🤖"', '"\\ud83e\\udd16"'), ("[1,[2]]", "[\n1.0,\t[2e0]]")),
    *(('{"a":1,"b":2}', '{ "b" : 2 , "a" : 1 }'), ('{"a":1}', '{"a":2,"a":1}')),
)
_DIFFERENT = (
    *(("1", '"1"'), ("1", "true"), ("0", "false"), ("null", "0"), ("[]", "{}"), ('""', "null"), ("[1,2]", "[2,1]")),
    *(('"é"', '"e\\u0301"'), ('"a"', '"a "'), ('"A"', '"a"'), ('"\\\\u0000"', '"u0000"'), ('{"a":null}', "{}")),
    *(('{"a":1,"a":2}', '{"a":1}'), ("0.1", "0.1000000000000000055"), ("9007199254740993", "9007199254740992")),
)
# Pairs that differ as sent, although JSONB holds the same for both; at least one of them needs `raw`.
_DIFFERENT_BUT_EQUAL_IN_JSONB = (
    *(('"\\u0000"', '"\\ufffd"'), ('"\\ufffd"', '"\\u0000"'), ('"\\ud800"', '"\\udc00"'), ('"\\ud800"', '"\\uD800"')),
    *(('"\\u0000"', ' "\\u0000"'), ('{"a":"\\u0000","a":1}', '{"a":1}'), ('["\\u0000",1]', '["\\u0000",1.0]')),
)


@dataclass(frozen=True)
class DuplicateCase:
    """Values for one event id in the order of publishing, each with its expected outcome."""

    name: str
    steps: Sequence[tuple[Callable[[str], bytes], str]]

    def messages(self, run_id: bytes, event_id: str) -> list[Message]:
        return [Message(run_id, value(event_id), label=f"{self.name}: {outcome}") for value, outcome in self.steps]


def duplicate_cases() -> list[DuplicateCase]:
    """All cases; their names are unique."""
    return [*_pairs(), *_longer()]


def _pairs() -> Iterator[DuplicateCase]:
    for first, second in _EQUAL:
        yield _pair(f"{first[:20]} again as {second[:20]}", first, second, REPEAT)
    for first, second in (*_DIFFERENT, *_DIFFERENT_BUT_EQUAL_IN_JSONB):
        yield _pair(f"{first[:20]} and then {second[:20]}", first, second, CONFLICT)
    for literal in ('"\\u0000"', '"\\ud800"', '{"\\u0000":1}', "1e131071"):
        yield _pair(f"{literal} twice", literal, literal, REPEAT)


def _longer() -> Iterator[DuplicateCase]:
    event, other = with_fields(data="this"), with_fields(data="that")
    yield DuplicateCase(
        "a conflict is not stored", [(event, EVENT), (other, CONFLICT), (other, CONFLICT), (event, REPEAT)]
    )
    yield DuplicateCase("many repeats", [(event, EVENT), *[(event, REPEAT)] * 6])
    yield DuplicateCase(
        "a refused id is free", [(without_field("input", "tool"), "invalid_event"), (event, EVENT), (event, REPEAT)]
    )
    bad = with_literal("1e131072")
    yield DuplicateCase(
        "refused by the store first", [(bad, "store_rejected"), (event, EVENT), (bad, "store_rejected")]
    )
    yield DuplicateCase(
        "invalid before it conflicts", [(event, EVENT), (with_fields(data=1, timestamp=""), "invalid_event")]
    )
    yield DuplicateCase(
        "null is not absent", [(with_fields(), EVENT), (without_field("input", "parent_event_id"), CONFLICT)]
    )
    zulu, offset = with_fields(timestamp="2026-03-01T12:00:00Z"), with_fields(timestamp="2026-03-01T12:00:00+00:00")
    yield DuplicateCase("timestamps are compared as text", [(zulu, EVENT), (offset, CONFLICT)])
    yield DuplicateCase("another type", [(with_fields("run_failed"), EVENT), (with_fields("run_completed"), CONFLICT)])
    first, second = with_fields("run_started", agent_id="first"), with_fields("run_started", agent_id="second")
    yield DuplicateCase("a start in conflict gives no facts", [(first, EVENT), (second, CONFLICT)])
    parent = with_fields("run_started", agent_id="third", parent_run_id="named only in a conflict")
    yield DuplicateCase("a start in conflict names no parent", [(first, EVENT), (parent, CONFLICT)])


def _pair(name: str, first: str, second: str, outcome: str) -> DuplicateCase:
    return DuplicateCase(name, [(with_literal(first), EVENT), (with_literal(second), outcome)])
