"""Legal, rare, and to be stored: depth, repeated names, headers, strings that JSONB cannot hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.support.corpus.specimen import STORED, Headers, Specimen, changed, exactly, holding, lacking, wrapped

_STRINGS = r"""
    \u0000 a\u0000b\u0000 \ud800 \uDBFF \udc00 \udfff\ud800 \ud83d\ud83d\ude00 \ud83d\ude00\ude00 \"\u0000\"
    \ud83d\ude00 \uFFFD \ufffe\uffff \u0001\u001f\u007f\u0080 \\u0000 \\ud800 \\\u0000 \\\\u0000 \\\\\ud800
"""


def odd() -> Iterator[Specimen]:
    yield Specimen("512 deep", STORED, holding("[" * 511 + "]" * 511))
    yield Specimen("512 deep of objects", STORED, holding('{"a":' * 511 + "1" + "}" * 511))
    yield Specimen("brackets in a string", STORED, changed(data="[{" * 600 + '"' + "\\"))
    yield Specimen("white space around", STORED, wrapped(b" \r\n\t", b" \r\n\t"))
    yield Specimen("a type unknown", STORED, changed("note", tool_name=["a"], data=None, error=5))
    yield Specimen("a type with another case", STORED, changed("Input"))
    yield Specimen("fields unknown", STORED, changed("run_waiting", x={"y": [None]}, agent_id=5, count=-1))
    yield Specimen("a tool unlisted", STORED, changed(tool="carrier_pigeon"))
    yield Specimen("names of tools empty", STORED, changed("tool_requested", tool_name=""))
    yield Specimen("strings empty", STORED, changed("llm_called", model="", system_prompt="", user_prompt=""))
    for kind, name in (("input", "data"), ("context_assembled", "context"), ("tool_succeeded", "result")):
        for literal in ("null", "false", "0", '""', "[]", "{}"):
            yield Specimen(f"{name} {literal}", STORED, holding(literal, kind, name))
    for kind, name in (("run_waiting", "reason"), ("events_dropped", "reason"), ("run_completed", "result")):
        yield Specimen(f"{kind} without {name}", STORED, lacking(kind, name))
        yield Specimen(f"{kind} with {name} null", STORED, changed(kind, **{name: None}))


def names() -> Iterator[Specimen]:
    """Names of fields that are spelled oddly, or said twice: the later one counts, as it does in JSONB."""
    yield Specimen("names with escapes", STORED, lambda i: changed()(i).replace(b'"id"', b'"\\u0069\\u0064"'))
    yield Specimen("a type with escapes", STORED, lambda i: changed()(i).replace(b'"input"', b'"\\u0069nput"'))
    yield Specimen("a name twice, once with escapes", STORED, _preceded(b'"\\u0069d":"first"'))
    yield Specimen("a type twice", STORED, _preceded(b'"type":"run_failed"', "run_waiting"))
    yield Specimen("a type twice, of another shape", STORED, _preceded(b'"type":"run_failed","error":5', "run_waiting"))
    yield Specimen("an id twice", STORED, _preceded(b'"id":"first"'))
    yield Specimen("an id twice, first wrong", STORED, _preceded(b'"id":7'))
    yield Specimen("a time twice, first wrong", STORED, _preceded(b'"timestamp":"now"'))
    yield Specimen("a count twice, first wrong", STORED, _preceded(b'"count":0', "events_dropped"))
    yield Specimen("an agent twice, first wrong", STORED, _preceded(b'"agent_id":""', "run_started"))
    yield Specimen("an id twice, last wrong", "invalid_event", lambda i: changed()(i)[:-1] + b',"id":7}')
    yield Specimen("a time twice, last wrong", "invalid_event", lambda i: changed()(i)[:-1] + b',"timestamp":"now"}')


def _preceded(member: bytes, kind: str = "input") -> Callable[[str], bytes]:
    return lambda event_id: b"{" + member + b"," + changed(kind)(event_id)[1:]


def headers() -> Iterator[Specimen]:
    """Nothing reads them, and a dead letter keeps them."""
    kinds: dict[str, Headers] = {
        "huge": [("h", b"h" * 100_000)],
        "null": [("h", None)],
        "empty": [("h", b"")],
        "binary": [("h", bytes(range(256)))],
        "oddly named": [("", b"1"), ("é 🤖", b"2"), ("a\nb", b"3"), ('"', b"4"), ("\\u0000", b"5")],
        "with a long name": [("n" * 10_000, b"1")],
        "repeated": [("h", b"1"), ("h", None), ("h", b"1")],
        "many": [(f"h{number}", b"v") for number in range(1_000)],
    }
    for name, pairs in kinds.items():
        yield Specimen(f"headers {name}", STORED, changed(), headers=pairs)
        yield Specimen(f"headers {name}, no event", "invalid_event", exactly(b"{}"), headers=pairs)


def raw() -> Iterator[Specimen]:
    for string in (*_STRINGS.split(), "\\ud83d \\ude00"):
        yield Specimen(f"the string {string}", STORED, holding(f'"{string}"'))
        yield Specimen(f"the name {string}", STORED, holding(f'{{"{string}":1}}', "note", "x"))
    yield Specimen("a NUL in the name of a tool", STORED, holding('"ask_human\\u0000"', "tool_requested", "tool_name"))
    yield Specimen("a NUL in a reason", STORED, holding('"\\u0000"', "run_waiting", "reason"))
    yield Specimen("a lone surrogate in an error", STORED, holding('"\\ud800"', "run_failed", "error"))
    yield Specimen("a lone surrogate in a prompt", STORED, holding('"\\udead"', "llm_called", "user_prompt"))
    yield Specimen("a NUL overridden", STORED, holding('{"a":"\\u0000","a":1}'))
    yield Specimen("a NUL in a name that collides", STORED, holding('{"\\u0000":1,"\\ufffd":2}'))
    for string in (*_STRINGS.split(), "id\\u0000"):
        yield Specimen(f"the event's own name {string}", STORED, _preceded(b'"' + string.encode() + b'":7'))
    yield Specimen("512 deep with a NUL", STORED, holding("[" * 511 + '"\\u0000"' + "]" * 511))
