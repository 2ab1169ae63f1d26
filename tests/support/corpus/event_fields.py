"""JSON values that are not valid events, and valid events that look invalid."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.support.corpus.sample import (
    REQUIRED,
    STORED,
    STRINGS,
    Sample,
    encode,
    exactly,
    valid_event,
    with_fields,
    with_literal,
    without_field,
    wrapped,
)

_INVALID_TIMES = """
    now 1772366400 2026-03-01 2026-W09-7T12:00:00Z 2026-03-01T12:00:00 2026-03-01t12:00:00z 2026-03-01T12:00Z
    2026-03-01T12:00:00.Z 2026-03-01T12:00:00,5Z 2026-03-01T12:00:00+0100 2026-03-01T12:00:00+01 2026-3-1T12:00:00Z
    26-03-01T12:00:00Z 12026-03-01T12:00:00Z -026-03-01T12:00:00Z 2026-13-01T12:00:00Z 2026-00-01T12:00:00Z
    2026-02-29T12:00:00Z 2026-03-00T12:00:00Z 2026-03-01T24:00:00Z 2026-03-01T12:60:00Z 2026-03-01T12:00:61Z
    2026-03-01T12:00:00+24:00 2026-03-01T12:00:00+01:60 2026-03-01T12:00:00ZZ ２026-03-01T12:00:00Z
"""
_INVALID_TIMES_WITH_SPACES = ("", "2026-03-01 12:00:00Z", "2026-03-01T12:00:00Z\n", " 2026-03-01T12:00:00Z")
_VALID_TIMES = """
    2026-03-01T12:00:00Z 2028-02-29T23:59:59.9+14:00 2026-03-01T12:00:00-00:00 0001-01-01T00:00:00Z
    9999-12-31T23:59:59.999999999999999999999999999999+23:59 2026-03-01T00:00:00.0-23:59
"""
_INVALID_COUNTS = '0 -1 -0 2147483648 1.0 1e0 "1" true null [] 1e400'


def not_an_event() -> Iterator[Sample]:
    for text in ("[]", "{}", '"input"', "1", "null", "true", "1e400", "1e131072", "[" * 512 + "]" * 512):
        yield Sample(f"the value {text[:20]}", "invalid_event", exactly(text.encode()))
    yield Sample("an event in an array", "invalid_event", wrapped(b"[", b"]"))
    for name in ("type", "id", "timestamp"):
        yield Sample(f"no {name}", "invalid_event", without_field("input", name))
        yield Sample(f"no {name} in an unknown type", "invalid_event", without_field("note", name))
        yield Sample(f"{name} null", "invalid_event", with_fields(**{name: None}))
        yield Sample(f"{name} a number", "invalid_event", with_fields(**{name: 7}))
    for kind, names in REQUIRED.items():
        for name in names:
            yield Sample(f"{kind} without {name}", "invalid_event", without_field(kind, name))
    for kind, names in STRINGS.items():
        for name in names:
            for wrong in (7, True, [], {"a": "b"}) if name == "tool_name" else (7, ["a"]):
                yield Sample(f"{kind} with {name} {wrong!r}", "invalid_event", with_fields(kind, **{name: wrong}))
    for kind in ("tool_requested", "input", "run_failed", "llm_called"):
        name = STRINGS[kind][0]
        yield Sample(f"{kind} with {name} null", "invalid_event", with_fields(kind, **{name: None}))


def ids() -> Iterator[Sample]:
    wrong = {"empty": '""', "of 256 bytes": json.dumps("i" * 256), "of 256 bytes in 128": json.dumps("é" * 128)}
    wrong |= {"with a NUL": '"a\\u0000b"', "with a lone surrogate": '"a\\ud800b"', "a list": '["a"]', "false": "false"}
    places = [("input", "id"), ("input", "type"), ("input", "parent_event_id"), ("note", "parent_event_id")]
    places += [("run_started", "agent_id"), ("run_started", "session_id"), ("run_started", "parent_run_id")]
    for kind, name in places:
        for what, literal in wrong.items():
            yield Sample(f"{name} {what} in {kind}", "invalid_event", with_literal(literal, kind, name))
    yield Sample("agent_id null", "invalid_event", with_fields("run_started", agent_id=None))
    for name in ("session_id", "parent_run_id"):
        yield Sample(f"no {name}", STORED, without_field("run_started", name))
        yield Sample(f"{name} null", STORED, with_fields("run_started", **{name: None}))
    for name in ("agent_id", "session_id", "parent_run_id"):
        yield Sample(f"{name} of 255 bytes", STORED, with_fields("run_started", **{name: "é" * 127 + "!"}))
        yield Sample(f"{name} of a paired surrogate", STORED, with_literal('"a\\ud83e\\udd16"', "run_started", name))
    yield Sample("id of 255 bytes", STORED, lambda event_id: encode(valid_event("input", event_id.ljust(255, "i"))))
    yield Sample("type of 255 bytes", STORED, with_fields("t" * 255))
    yield Sample("no parent_event_id", STORED, without_field("input", "parent_event_id"))
    yield Sample("parent_event_id that names no event", STORED, with_fields(parent_event_id="no such event"))


def roles() -> Iterator[Sample]:
    for kind in ("tool_requested", "tool_succeeded", "tool_failed"):
        for wrong in (7, True, ["waits"], {"a": "waits"}):
            yield Sample(f"{kind} with role {wrong!r}", "invalid_event", with_fields(kind, role=wrong))
        for role in (None, "", "waits", "finishes", "Waits", "another role"):
            yield Sample(f"{kind} with role {role!r}", STORED, with_fields(kind, role=role))
    yield Sample("a role with a lone surrogate", STORED, with_literal('"waits\\ud800"', "tool_requested", "role"))
    yield Sample("a role of an event of no tool", STORED, with_fields("input", role=["waits"]))
    long_name = with_fields("tool_requested", tool_name="é" * 128, role="waits")
    yield Sample("a waiting tool whose name has 256 bytes", STORED, long_name)


def labels() -> Iterator[Sample]:
    wrong = ['"a"', "7", "[]", '{"a": 1}', '{"a": null}', '{"a": ["b"]}', '{"": "b"}', '{"a\\u0000": "b"}']
    wrong += ['{"a": "b\\u0000"}', '{"a\\ud800": "b"}', '{"a": "b\\ud800"}', '{"a": 1e400}']
    for literal in wrong:
        yield Sample(f"labels {literal}", "invalid_event", with_literal(literal, "run_started", "labels"))
    long = {"of 256 bytes": "i" * 256, "of 256 bytes in 128": "é" * 128}
    for what, text in long.items():
        yield Sample(f"a label's name {what}", "invalid_event", with_fields("run_started", labels={text: ""}))
        yield Sample(f"a label's value {what}", "invalid_event", with_fields("run_started", labels={"a": text}))
    many = {f"name {number}": "value" for number in range(33)}
    yield Sample("33 labels", "invalid_event", with_fields("run_started", labels=many))
    most = dict(list(many.items())[:32])
    for stored in (None, {}, {"a": ""}, {"é" * 127 + "!": "é" * 127 + "!"}, most):
        yield Sample(f"labels {str(stored)[:30]}", STORED, with_fields("run_started", labels=stored))
    again = ", ".join('"a": "b"' for _ in range(40))
    yield Sample("a label 40 times", STORED, with_literal(f"{{{again}}}", "run_started", "labels"))
    yield Sample("labels of another type", STORED, with_fields("input", labels=7))


def timestamps() -> Iterator[Sample]:
    for text in (*_INVALID_TIMES.split(), *_INVALID_TIMES_WITH_SPACES, "2026-03-01T12:00:00Z\0"):
        yield Sample(f"timestamp {text!r}", "invalid_event", with_fields(timestamp=text))
    for text in _VALID_TIMES.split():
        yield Sample(f"timestamp {text!r}", STORED, with_fields(timestamp=text))


def counts() -> Iterator[Sample]:
    for literal in (*_INVALID_COUNTS.split(), "1" + "0" * 5_000):
        yield Sample(f"count {literal[:20]}", "invalid_event", with_literal(literal, "events_dropped", "count"))
    for literal in ("1", "2147483647"):
        yield Sample(f"count {literal}", STORED, with_literal(literal, "events_dropped", "count"))
    yield Sample("count of an unknown type", STORED, with_fields("note", count="many"))
