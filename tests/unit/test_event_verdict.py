"""The decoder judges as the contract does: against a slow reader of its own, over messages that fuzzing makes."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent_runs.codec.decode import decode_event, read_envelope
from agent_runs.errors import InvalidEvent, NotJson
from tests.support.builders import MINIMAL, TIME, message
from tests.unit.verdict import FIELDS, Verdict, verdict

GOLDEN = [path.read_bytes() for path in sorted((Path(__file__).parents[2] / "schema" / "examples").glob("*.json"))]
SEEDS = [*GOLDEN, *(message(event_type) for event_type in MINIMAL), message("brand_new", extra={"a": [1, None]})]

# What stands at the edge of JSON or of the contract, to be put anywhere.
FRAGMENTS = [
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\n", b"\x00", b"\x1f", b"\x7f", b"\xff", b"\xc3\xa9"),
    *(b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xe2\x80\xa8"),
    *(b"\\u0000", b"\\ud800", b"\\udc00", b"\\ud83d\\ude00", b"\\u00e9", b"\\x", b"\\u12", b"\\u12G4", b"\\/", b"\\'"),
    *(b"0", b"-0", b"01", b"1.", b".5", b"1.0", b"1e5", b"1E+400", b"1e", b"-", b"+1", b"1" * 30, b"9" * 4400),
    *(b"1e-9999", b"1e99999999999999999999", b"2147483647", b"2147483648", b"NaN", b"-Infinity", b"true", b"null"),
    *(b'"type":"input",', b'"type":"run_waiting",', b'"type":"brand_new",', b'"type":null,', b'"\\u0074ype":"input",'),
    *(b'"id":"x",', b'"id":7,', b'"id":"",', b'"i\\u0064":"y",', b'"data":1,', b'"tool":"t",', b'"count":5,', b'"":0,'),
    *(b'"\\ud800":1,', b'"extra":"\xff",', b'"extra":"\x01",', b'"extra":[1,{"a":"\\u0000"}],', b'"reason":1,'),
    *(
        b"[" * 513,
        b"[" * 500,
        b"]" * 500,
        b'"a":' + b"[" * 512 + b"]" * 512 + b",",
        b'"b":' + b"[" * 511 + b"]" * 511 + b",",
    ),
    *(
        b'"timestamp":"2026-02-30T00:00:00Z",',
        b'"timestamp":"9999-12-31T23:59:59.99999999-23:59",',
        b"24:00:00",
        b":60",
    ),
]


def judged(value: bytes) -> Verdict:
    """What the decoder makes of a message; that it can be read too, once it was accepted, is part of the promise."""
    try:
        read_envelope(value)
    except NotJson:
        return "not_json"
    except InvalidEvent:
        return "invalid_event"
    assert decode_event(value).original is value
    return "event"


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A message in which a few stretches were replaced: by a fragment, by bytes, by a stretch of another message."""
    value = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(value)))
        end = min(len(value), at + draw(st.sampled_from([0, 0, 1, 1, 2, 5, 20])))
        other = draw(st.sampled_from(SEEDS))
        piece = draw(st.sampled_from([*FRAGMENTS, other[at : at + 40]]) | st.binary(max_size=3))
        value = value[:at] + piece + value[end:]
    return value


@given(mutated())
@settings(max_examples=600)
@example(message(**{"\ud800": 1}))
@example(message(tool="\ud800"))
@example(message(timestamp="9999-12-31T23:59:59.99999999Z"))
@example(b"")
@example(b"[]")
def test_the_decoder_accepts_exactly_what_the_contract_does(value: bytes) -> None:
    assert judged(value) == verdict(value)


strange = st.sampled_from(
    [
        *("", "a", "é" * 127, "é" * 128, "x" * 255, "x" * 256, "\0", "a\ud800", "\ud83d\ude00", "null", TIME),
        *(None, True, False, 0, 1, -1, 1.0, 1.5, 2**31 - 1, 2**31, 10**30, [], [1], {}, {"a": "\ud800"}),
        *("2026-01-31T23:59:59.5+05:30", "2026-01-31T24:00:00Z", "2026-02-29T00:00:00Z", "2026-01-31T23:59:59+24:00"),
    ]
)
names = st.sampled_from([*FIELDS, "brand_new", "", "\ud800"]) | strange
keys = st.sampled_from(
    sorted({"id", "parent_event_id", "timestamp", *(field for kind in FIELDS.values() for field in kind)})
)


@st.composite
def assembled(draw: st.DrawFn) -> bytes:
    """An object of the contract's fields with values that are right, wrong, missing, or given twice."""
    event_type = draw(names)
    fields: list[tuple[str, Any]] = [("id", "e"), ("timestamp", TIME), ("type", event_type)]
    fields += MINIMAL.get(event_type, {}).items() if isinstance(event_type, str) else []
    fields += draw(st.lists(st.tuples(keys | st.sampled_from(["type", "x", "\ud800"]), names | strange), max_size=3))
    kept = [field for field in draw(st.permutations(fields)) if draw(st.integers(0, 19))]
    ascii_only = draw(st.booleans())
    members = [f"{spelled(key, ascii_only)}:{spelled(value, ascii_only)}" for key, value in kept]
    return ("{" + ", ".join(members) + "}").encode("utf-8", "surrogatepass")


def spelled(value: Any, ascii_only: bool) -> str:
    return json.dumps(value, ensure_ascii=ascii_only)


@given(assembled())
@settings(max_examples=600)
def test_the_decoder_accepts_exactly_the_fields_that_the_contract_does(value: bytes) -> None:
    assert judged(value) == verdict(value)


@pytest.mark.parametrize("seed", SEEDS, ids=range(len(SEEDS)))
def test_the_slow_reader_accepts_what_is_right_to_begin_with(seed: bytes) -> None:
    assert verdict(seed) == "event"
