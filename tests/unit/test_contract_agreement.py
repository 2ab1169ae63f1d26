"""The decoder and the checker's independent implementation of the contract classify fuzzed messages alike."""

import json
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent_runs.codec.decode import decode_event, read_envelope
from agent_runs.errors import InvalidEvent, NotJson
from tests.checker import strict_json
from tests.checker.contract import BY_TYPE, invalid_field
from tests.support.builders import MINIMAL, TIME, message

Outcome = Literal["event", "not_json", "invalid_event"]

GOLDEN = [path.read_bytes() for path in sorted((Path(__file__).parents[2] / "schema" / "examples").glob("*.json"))]
SEEDS = [*GOLDEN, *(message(event_type) for event_type in MINIMAL), message("brand_new", extra={"a": [1, None]})]

# Fragments at the limits of JSON or of the contract; a mutation inserts them anywhere.
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


def decoded(value: bytes) -> Outcome:
    """What the decoder makes of a message. An accepted message must also decode to an event."""
    try:
        read_envelope(value)
    except NotJson:
        return "not_json"
    except InvalidEvent:
        return "invalid_event"
    assert decode_event(value).original is value
    return "event"


def checked(value: bytes) -> Outcome:
    """What the checker makes of a message, without key, size limit and storability, which are not the decoder's."""
    try:
        fields = strict_json.parse(value.decode()).value
    except (UnicodeDecodeError, strict_json.NotJson):
        return "not_json"
    return "event" if isinstance(fields, dict) and invalid_field(fields) is None else "invalid_event"


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A message with a few substrings replaced by fragments, random bytes, or substrings of other messages."""
    value = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(value)))
        end = min(len(value), at + draw(st.sampled_from([0, 0, 1, 1, 2, 5, 20])))
        other = draw(st.sampled_from(SEEDS))
        replacement = draw(st.sampled_from([*FRAGMENTS, other[at : at + 40]]) | st.binary(max_size=3))
        value = value[:at] + replacement + value[end:]
    return value


@given(mutated())
@settings(max_examples=600)
@example(message(**{"\ud800": 1}))
@example(message(tool="\ud800"))
@example(message(timestamp="9999-12-31T23:59:59.99999999Z"))
@example(b"")
@example(b"[]")
def test_decoder_and_checker_classify_a_mutated_message_alike(value: bytes) -> None:
    assert decoded(value) == checked(value)


edge_values = st.sampled_from(
    [
        *("", "a", "é" * 127, "é" * 128, "x" * 255, "x" * 256, "\0", "a\ud800", "\ud83d\ude00", "null", TIME),
        *(None, True, False, 0, 1, -1, 1.0, 1.5, 2**31 - 1, 2**31, 10**30, [], [1], {}, {"a": "\ud800"}),
        *("2026-01-31T23:59:59.5+05:30", "2026-01-31T24:00:00Z", "2026-02-29T00:00:00Z", "2026-01-31T23:59:59+24:00"),
    ]
)
names = st.sampled_from([*BY_TYPE, "brand_new", "", "\ud800"]) | edge_values
keys = st.sampled_from(
    sorted({"id", "parent_event_id", "timestamp", *(field for fields in BY_TYPE.values() for field in fields)})
)


@st.composite
def assembled(draw: st.DrawFn) -> bytes:
    """An object of the contract's fields whose values are valid, invalid, missing, or repeated."""
    event_type = draw(names)
    fields: list[tuple[str, Any]] = [("id", "e"), ("timestamp", TIME), ("type", event_type)]
    fields += MINIMAL.get(event_type, {}).items() if isinstance(event_type, str) else []
    fields += draw(
        st.lists(st.tuples(keys | st.sampled_from(["type", "x", "\ud800"]), names | edge_values), max_size=3)
    )
    kept = [field for field in draw(st.permutations(fields)) if draw(st.integers(0, 19))]
    ascii_only = draw(st.booleans())
    members = [f"{dumped(key, ascii_only)}:{dumped(value, ascii_only)}" for key, value in kept]
    return ("{" + ", ".join(members) + "}").encode("utf-8", "surrogatepass")


def dumped(value: Any, ascii_only: bool) -> str:
    return json.dumps(value, ensure_ascii=ascii_only)


@given(assembled())
@settings(max_examples=600)
def test_decoder_and_checker_classify_an_object_of_arbitrary_fields_alike(value: bytes) -> None:
    assert decoded(value) == checked(value)


@pytest.mark.parametrize("seed", SEEDS, ids=range(len(SEEDS)))
def test_the_checker_accepts_every_message_that_mutations_start_from(seed: bytes) -> None:
    assert checked(seed) == "event"
