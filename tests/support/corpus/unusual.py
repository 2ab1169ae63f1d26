"""Unusual records that are valid: depth, repeated names, headers, strings that JSONB cannot hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.support.corpus.sample import STORED, Sample, exactly, with_fields, with_literal, without_field, wrapped
from tests.support.messages import Headers

_STRINGS = r"""
    \u0000 a\u0000b\u0000 \ud800 \uDBFF \udc00 \udfff\ud800 \ud83d\ud83d\ude00 \ud83d\ude00\ude00 \"\u0000\"
    \ud83d\ude00 \uFFFD \ufffe\uffff \u0001\u001f\u007f\u0080 \\u0000 \\ud800 \\\u0000 \\\\u0000 \\\\\ud800
"""


def unusual() -> Iterator[Sample]:
    yield Sample("512 deep", STORED, with_literal("[" * 511 + "]" * 511))
    yield Sample("512 deep of objects", STORED, with_literal('{"a":' * 511 + "1" + "}" * 511))
    yield Sample("brackets in a string", STORED, with_fields(data="[{" * 600 + '"' + "\\"))
    yield Sample("white space around", STORED, wrapped(b" \r\n\t", b" \r\n\t"))
    yield Sample("an unknown type", STORED, with_fields("note", tool_name=["a"], data=None, error=5))
    yield Sample("a type with another case", STORED, with_fields("Input"))
    yield Sample("unknown fields", STORED, with_fields("run_waiting", x={"y": [None]}, agent_id=5, count=-1))
    for kind, name in (("llm_called", "usage"), ("llm_failed", "duration_ms"), ("tool_failed", "error_type")):
        for literal in ("null", "-1", '""', '[{"a":null}]'):  # further fields with a defined meaning
            yield Sample(f"{kind} with {name} {literal}", STORED, with_literal(literal, kind, name))
    yield Sample("an unlisted tool", STORED, with_fields(tool="carrier_pigeon"))
    yield Sample("an empty tool name", STORED, with_fields("tool_requested", tool_name=""))
    yield Sample("empty strings", STORED, with_fields("llm_called", model="", system_prompt="", user_prompt=""))
    for kind, name in (("input", "data"), ("context_assembled", "context"), ("tool_succeeded", "result")):
        for literal in ("null", "false", "0", '""', "[]", "{}"):
            yield Sample(f"{name} {literal}", STORED, with_literal(literal, kind, name))
    for kind, name in (("run_waiting", "reason"), ("events_dropped", "reason"), ("run_completed", "result")):
        yield Sample(f"{kind} without {name}", STORED, without_field(kind, name))
        yield Sample(f"{kind} with {name} null", STORED, with_fields(kind, **{name: None}))


def names() -> Iterator[Sample]:
    """Field names with escapes or given twice: the last one counts, as in JSONB."""
    yield Sample("names with escapes", STORED, lambda i: with_fields()(i).replace(b'"id"', b'"\\u0069\\u0064"'))
    yield Sample("a type with escapes", STORED, lambda i: with_fields()(i).replace(b'"input"', b'"\\u0069nput"'))
    yield Sample("a name twice, once with escapes", STORED, _preceded(b'"\\u0069d":"first"'))
    yield Sample("a type twice", STORED, _preceded(b'"type":"run_failed"', "run_waiting"))
    yield Sample("a type twice, of another shape", STORED, _preceded(b'"type":"run_failed","error":5', "run_waiting"))
    yield Sample("an id twice", STORED, _preceded(b'"id":"first"'))
    yield Sample("an id twice, first wrong", STORED, _preceded(b'"id":7'))
    yield Sample("a time twice, first wrong", STORED, _preceded(b'"timestamp":"now"'))
    yield Sample("a count twice, first wrong", STORED, _preceded(b'"count":0', "events_dropped"))
    yield Sample("an agent twice, first wrong", STORED, _preceded(b'"agent_id":""', "run_started"))
    yield Sample("an id twice, last wrong", "invalid_event", lambda i: with_fields()(i)[:-1] + b',"id":7}')
    yield Sample("a time twice, last wrong", "invalid_event", lambda i: with_fields()(i)[:-1] + b',"timestamp":"now"}')


def _preceded(member: bytes, kind: str = "input") -> Callable[[str], bytes]:
    return lambda event_id: b"{" + member + b"," + with_fields(kind)(event_id)[1:]


def headers() -> Iterator[Sample]:
    """The service ignores headers, and a dead letter keeps them."""
    kinds: dict[str, Headers] = {
        "huge": [("h", b"h" * 100_000)],
        "null": [("h", None)],
        "empty": [("h", b"")],
        "binary": [("h", bytes(range(256)))],
        "with unusual names": [("", b"1"), ("é 🤖", b"2"), ("a\nb", b"3"), ('"', b"4"), ("\\u0000", b"5")],
        "with a long name": [("n" * 10_000, b"1")],
        "repeated": [("h", b"1"), ("h", None), ("h", b"1")],
        "many": [(f"h{number}", b"v") for number in range(1_000)],
    }
    for name, pairs in kinds.items():
        yield Sample(f"headers {name}", STORED, with_fields(), headers=pairs)
        yield Sample(f"headers {name}, no event", "invalid_event", exactly(b"{}"), headers=pairs)


def strings() -> Iterator[Sample]:
    """Strings that JSONB cannot hold, and strings that look like them."""
    for string in (*_STRINGS.split(), "\\ud83d \\ude00"):
        yield Sample(f"the string {string}", STORED, with_literal(f'"{string}"'))
        yield Sample(f"the name {string}", STORED, with_literal(f'{{"{string}":1}}', "note", "x"))
    yield Sample(
        "a NUL in the name of a tool", STORED, with_literal('"ask_human\\u0000"', "tool_requested", "tool_name")
    )
    yield Sample("a NUL in a reason", STORED, with_literal('"\\u0000"', "run_waiting", "reason"))
    yield Sample("a lone surrogate in an error", STORED, with_literal('"\\ud800"', "run_failed", "error"))
    yield Sample("a lone surrogate in a prompt", STORED, with_literal('"\\udead"', "llm_called", "user_prompt"))
    yield Sample("a NUL overridden", STORED, with_literal('{"a":"\\u0000","a":1}'))
    yield Sample("a NUL in a name that collides", STORED, with_literal('{"\\u0000":1,"\\ufffd":2}'))
    for string in (*_STRINGS.split(), "id\\u0000"):
        yield Sample(f"a top-level name {string}", STORED, _preceded(b'"' + string.encode() + b'":7'))
    yield Sample("512 deep with a NUL", STORED, with_literal("[" * 511 + '"\\u0000"' + "]" * 511))
