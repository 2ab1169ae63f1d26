"""`decode_event` and `read_envelope`: which messages they accept, and what they return."""

import json
import math
import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from agent_runs import (
    EventsDropped,
    Input,
    InvalidEvent,
    NotJson,
    RunWaiting,
    UnknownEvent,
    decode_event,
)
from agent_runs.codec.decode import read_envelope
from agent_runs.codec.decode_fast import match_timestamp
from tests.support.builders import MINIMAL, TIME, message, message_without

LIMIT = 512
COMMON = ("type", "id", "timestamp")
REQUIRED = [(event_type, field) for event_type, fields in MINIMAL.items() for field in (*fields, *COMMON)]

# The fields that hold strings, listed by hand. Payloads may hold anything, and `count` has its own table.
TEXTS = ["tool", "model", "system_prompt", "user_prompt", "raw_response", "tool_name", "error"]
NULLABLE = [
    *((event_type, "parent_event_id") for event_type in MINIMAL),
    *(("run_started", "session_id"), ("run_started", "parent_run_id"), ("run_completed", "result")),
    *(("run_waiting", "reason"), ("run_resumed", "reason"), ("events_dropped", "reason")),
    *(("events_dropped", "types"), ("events_dropped", "detail")),
]
IDS = [
    *((event_type, field) for event_type in (*MINIMAL, "brand_new") for field in ("id", "parent_event_id")),
    *(("run_started", field) for field in ("agent_id", "session_id", "parent_run_id")),
]


# --- required, nullable, unknown ---


@pytest.mark.parametrize("event_type", MINIMAL)
def test_a_message_with_only_the_required_fields_is_an_event(event_type: str) -> None:
    event = decode_event(message(event_type))

    assert event.type == event_type
    assert event.id == "e1"
    assert event.parent_event_id is None
    assert event.timestamp == datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(("event_type", "field"), REQUIRED)
def test_a_required_field_that_is_missing_makes_the_event_invalid(event_type: str, field: str) -> None:
    with pytest.raises(InvalidEvent, match=f"`{field}`"):
        decode_event(message_without(event_type, field))


@pytest.mark.parametrize("wrong", [None, 1, True, ["a"], {"a": 1}], ids=json.dumps)
@pytest.mark.parametrize(
    ("event_type", "field"), [pair for pair in REQUIRED if pair[1] in {*TEXTS, *COMMON, "agent_id"}]
)
def test_a_required_string_that_is_something_else_makes_the_event_invalid(
    event_type: str, field: str, wrong: Any
) -> None:
    with pytest.raises(InvalidEvent, match=re.escape(field)):
        decode_event(message(event_type, **{field: wrong}))


@pytest.mark.parametrize(
    "wrong", [1, "input", ["input"], {"input": 0}, {"input": 1.0}, {"input": "1"}, {"input": None}], ids=json.dumps
)
def test_types_that_are_not_counts_make_the_event_invalid(wrong: Any) -> None:
    with pytest.raises(InvalidEvent, match="types"):
        decode_event(message("events_dropped", types=wrong))


@pytest.mark.parametrize(
    "message",
    [
        rb'{"type": "events_dropped", "count": "\ud800"}',
        rb'{"type": "events_dropped", "count": 1, "types": {"a": "\ud800"}}',
        rb'{"type": "events_dropped", "types": "\ud800"}',
        rb'{"type": "run_started", "labels": ["\ud800"]}',
    ],
)
def test_a_lone_surrogate_where_no_text_may_be_makes_the_event_invalid(message: bytes) -> None:
    # msgspec raises a UnicodeEncodeError for it, which must not end the service.
    with pytest.raises(InvalidEvent, match=r"`(count|types|labels)`|Expected"):
        decode_event(message)


@pytest.mark.parametrize("wrong", [1, True, [], {}], ids=json.dumps)
@pytest.mark.parametrize(("event_type", "field"), [pair for pair in NULLABLE if pair[1] not in ("result", "types")])
def test_a_nullable_string_that_is_something_else_makes_the_event_invalid(
    event_type: str, field: str, wrong: Any
) -> None:
    with pytest.raises(InvalidEvent, match=field):
        decode_event(message(event_type, **{field: wrong}))


@pytest.mark.parametrize(("event_type", "field"), NULLABLE)
def test_null_and_absent_are_the_same(event_type: str, field: str) -> None:
    absent, null = decode_event(message(event_type)), decode_event(message(event_type, **{field: None}))

    assert absent == null
    assert getattr(null, field) is None


@pytest.mark.parametrize("payload", [None, False, 0, -1.5, "", "text", [], [None], {}, {"a": [1]}], ids=json.dumps)
@pytest.mark.parametrize(
    ("event_type", "field"),
    [
        ("input", "data"),
        ("context_assembled", "context"),
        ("tool_requested", "tool_args"),
        ("tool_succeeded", "result"),
        ("run_completed", "result"),
    ],
)
def test_a_payload_is_any_json(event_type: str, field: str, payload: Any) -> None:
    assert getattr(decode_event(message(event_type, **{field: payload})), field) == payload


@pytest.mark.parametrize("event_type", MINIMAL)
def test_fields_outside_the_contract_change_nothing(event_type: str) -> None:
    assert decode_event(message(event_type, later={"a": [1]}, name="x")) == decode_event(message(event_type))


def test_an_event_of_an_unknown_type_keeps_its_whole_message() -> None:
    value = message("brand_new", parent_event_id="p", payload={"a": [1]}, name="other", message=3)
    event = decode_event(value)

    assert isinstance(event, UnknownEvent)
    assert (event.type, event.name, event.id, event.parent_event_id) == ("brand_new", "brand_new", "e1", "p")
    assert event.timestamp == datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
    assert event.message == json.loads(value)


@pytest.mark.parametrize("field", ["id", "timestamp"])
def test_the_common_fields_are_required_for_an_unknown_type_too(field: str) -> None:
    with pytest.raises(InvalidEvent, match=field):
        decode_event(message_without("brand_new", field))


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        (b"[]", "expected an object, got array"),
        (b"null", "expected an object, got null or nothing"),
        (b'"x"', "expected an object, got string"),
        (b"1", "expected an object, got number"),
        (b"1.5", "expected an object, got number"),
        (b"true", "expected an object, got boolean"),
        (b"{}", "`type` must be a string, got null or nothing"),
        (b'{"type":{}}', "`type` must be a string, got object"),
    ],
)
def test_the_error_names_the_json_type_of_a_message_that_is_not_an_event(value: bytes, detail: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        read_envelope(value)

    assert str(caught.value) == detail


# --- ids ---

GOOD_IDS = ["x", "x" * 255, "é" * 127 + "x", " ", "run/1:2", "\U0001f600" * 63]
BAD_IDS = ["", "x" * 256, "é" * 128, "\U0001f600" * 64, "a\0b", "\ud800", "a\udfffb"]


@pytest.mark.parametrize("text", GOOD_IDS, ids=ascii)
@pytest.mark.parametrize(("event_type", "field"), IDS)
def test_an_id_is_a_string_of_at_most_255_bytes_without_nul_and_lone_surrogates(
    event_type: str, field: str, text: str
) -> None:
    envelope = read_envelope(message(event_type, **{field: text}))

    assert getattr(envelope, field) == text


@pytest.mark.parametrize("text", BAD_IDS, ids=ascii)
@pytest.mark.parametrize(("event_type", "field"), IDS)
def test_any_other_id_makes_the_event_invalid(event_type: str, field: str, text: str) -> None:
    with pytest.raises(InvalidEvent, match=field):
        read_envelope(message(event_type, **{field: text}))


@pytest.mark.parametrize("text", GOOD_IDS, ids=ascii)
def test_a_type_follows_the_rules_of_an_id(text: str) -> None:
    assert read_envelope(message(text)).type == text


@pytest.mark.parametrize("text", BAD_IDS, ids=ascii)
def test_any_other_type_makes_the_event_invalid(text: str) -> None:
    with pytest.raises(InvalidEvent, match="`type`"):
        read_envelope(message(text))


# --- timestamps and counts ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T23:59:59Z", datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)),
        ("2026-01-31T23:59:59+00:00", datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)),
        ("2026-01-31T23:59:59-00:00", datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)),
        ("2026-01-31T23:59:59.5+05:30", datetime(2026, 1, 31, 18, 29, 59, 500000, tzinfo=UTC)),
        ("2026-01-31T23:59:59.123456Z", datetime(2026, 1, 31, 23, 59, 59, 123456, tzinfo=UTC)),
        ("2024-02-29T00:00:00-23:59", datetime(2024, 2, 29, 23, 59, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00+01:00", datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))),
        ("9999-12-31T23:59:59-01:00", datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(-timedelta(hours=1)))),
    ],
)
@pytest.mark.parametrize("event_type", ["input", "brand_new"])
def test_a_timestamp_is_a_time_with_an_offset(event_type: str, text: str, expected: datetime) -> None:
    assert decode_event(message(event_type, timestamp=text)).timestamp == expected


@pytest.mark.parametrize("digits", [7, 9, 30])
@pytest.mark.parametrize("last", ["2026-01-31T23:59:59", "9999-12-31T23:59:59"])
@pytest.mark.parametrize("event_type", ["input", "brand_new"])
def test_a_fraction_may_be_finer_than_a_microsecond_even_at_the_end_of_the_year_9999(
    event_type: str, last: str, digits: int
) -> None:
    event = decode_event(message(event_type, timestamp=f"{last}.{'9' * digits}Z"))

    assert abs(event.timestamp - datetime.fromisoformat(f"{last}.999999Z")) <= timedelta(microseconds=1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-31",
        "2026-01-31T23:59:59",
        "2026-01-31T23:59Z",
        "2026-01-31 23:59:59Z",
        "2026-01-31t23:59:59z",
        "2026-01-31T23:59:59,5Z",
        "2026-01-31T23:59:59.Z",
        "2026-01-31T23:59:59+0000",
        "2026-01-31T23:59:59+00",
        "2026-01-31T23:59:59+24:00",
        "2026-01-31T23:59:59+00:60",
        "2026-01-31T23:59:60Z",
        "2026-01-31T23:60:00Z",
        "2026-01-31T24:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "20260131T235959Z",
        "2026-W01-1T00:00:00Z",
        "+2026-01-31T23:59:59Z",
        "12026-01-31T23:59:59Z",
        "２０２６-01-31T23:59:59Z",
        " 2026-01-31T23:59:59Z",
        "2026-01-31T23:59:59Z\n",
        "1769903999",
    ],
)
@pytest.mark.parametrize("event_type", ["input", "brand_new"])
def test_any_other_timestamp_makes_the_event_invalid(event_type: str, text: str) -> None:
    with pytest.raises(InvalidEvent, match="`timestamp` must be a time like"):
        read_envelope(message(event_type, timestamp=text))


@pytest.mark.parametrize(
    ("times", "is_valid"),
    [
        ('"timestamp":"2026-01-31 23:59:59Z","timestamp":"2026-01-31T23:59:59Z"', True),  # the last one counts
        ('"timestamp":"2026-01-31T23:59:59Z","timestamp":"2026-01-31 23:59:59Z"', False),
        ('"timestamp":"2026-01-31T23:59:59Z","\\u0074imestamp":"2026-01-31 23:59:59Z"', False),
        ('"timestamp":"2026-01-31 23:59:59Z","more":{"a":1,"timestamp":"2026-01-31T23:59:59Z"}', False),
        (r'"timestamp":"2026-01-31 23:59:59Z","more":"\",\"timestamp\":\"2026-01-31T23:59:59Z\""', False),
        ('"timestamp":"2026-01-31 23:59:59Z","more\\",\\"timestamp":"2026-01-31T23:59:59Z"', False),
    ],
)
def test_both_decoders_validate_the_timestamp_that_counts(times: str, is_valid: bool) -> None:
    text = f'{{"type":"input","id":"e","tool":"t","data":1,{times}}}'.encode()
    for decode in (decode_event, read_envelope):
        if is_valid:
            assert decode(text).id == "e"
        else:
            with pytest.raises(InvalidEvent, match="`timestamp` must be a time like"):
                decode(text)


def test_hour_24_is_refused_under_every_version_of_python() -> None:
    # From Python 3.14 on, `datetime.fromisoformat` accepts it as midnight of the next day.
    assert match_timestamp("2026-01-31T24:00:00Z") is None
    assert match_timestamp("2026-01-31T23:00:00Z") is not None


def dropped(count: str) -> bytes:
    return f'{{"type":"events_dropped","id":"e","timestamp":"{TIME}","count":{count}}}'.encode()


@pytest.mark.parametrize("count", ["1", "17", "2147483647"])
def test_a_count_is_an_integer_literal_from_1_to_2147483647(count: str) -> None:
    event = decode_event(dropped(count))

    assert isinstance(event, EventsDropped)
    assert event.count == int(count)


@pytest.mark.parametrize(
    "count",
    [
        "0",
        "-0",
        "-1",
        "2147483648",
        "1.0",
        "1e0",
        "17.0",
        '"1"',
        "true",
        "null",
        "[]",
        "9" * 30,
        "9" * 5000,
        "-" + "9" * 5000,
    ],
)
def test_any_other_count_makes_the_event_invalid(count: str) -> None:
    with pytest.raises(InvalidEvent, match="count"):
        read_envelope(dropped(count))


# --- JSON itself ---


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b" ",
        b"{",
        b"{}{}",
        message() + b"x",
        message() + b"\0",
        b"\xef\xbb\xbf" + message(),
        message().decode().encode("utf-16"),
        message(tool="TOOL").replace(b"TOOL", b"\xff"),
        message(extra="TOOL").replace(b"TOOL", b"\xff"),
        message(data="TOOL").replace(b"TOOL", b"\xed\xa0\x80"),
        message(data="TOOL").replace(b"TOOL", b"\x01"),
        message(extra="TOOL").replace(b"TOOL", b"\n"),
        message(data="TOOL").replace(b"TOOL", rb"\x"),
        message(data=1.5).replace(b"1.5", b"NaN"),
        message(data=1.5).replace(b"1.5", b"-Infinity"),
        message(data=1.5).replace(b"1.5", b"01"),
        message(data=1.5).replace(b"1.5", b"1."),
        message(data=[7]).replace(b"7", b"7,"),
        message().replace(b'"', b"'"),
    ],
    ids=ascii,
)
def test_a_message_that_is_not_json_raises_an_error_that_keeps_its_bytes(value: bytes) -> None:
    with pytest.raises(NotJson) as caught:
        decode_event(value)

    assert caught.value.value is value


def nested(opening: str, closing: str, levels: int) -> bytes:
    return message(data=0).replace(b'"data": 0', f'"data": {opening * levels}{closing * levels}'.encode())


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":[', "]}")], ids=["arrays", "both"])
def test_a_message_may_be_nested_512_deep_and_no_deeper(opening: str, closing: str) -> None:
    levels = (LIMIT - 1) // len(opening.replace('"a":', ""))

    read_envelope(nested(opening, closing, levels))
    with pytest.raises(NotJson, match="nested more than 512 deep"):
        read_envelope(nested(opening, closing, levels + 1))


@pytest.mark.parametrize("opening", ["[", '{"a":'], ids=["arrays", "objects"])
@pytest.mark.parametrize("levels", [LIMIT - 1, LIMIT, 2 * LIMIT, 20 * LIMIT])
def test_unclosed_brackets_are_not_json(opening: str, levels: int) -> None:
    with pytest.raises(NotJson):
        read_envelope((opening * levels).encode())


def test_the_nesting_limit_holds_for_a_message_with_long_prompts_too() -> None:
    # Brackets inside a prompt do not nest, so the scan skips prompts. It must still scan the other fields.
    texts = dict.fromkeys(("model", "system_prompt", "user_prompt", "raw_response"), "[{" * 5000)
    called = message("llm_called", **texts, extra=0)

    read_envelope(called.replace(b'"extra": 0', f'"extra": {"[" * (LIMIT - 1)}{"]" * (LIMIT - 1)}'.encode()))
    with pytest.raises(NotJson, match="nested more than 512 deep"):
        read_envelope(called.replace(b'"extra": 0', f'"extra": {"[" * LIMIT}{"]" * LIMIT}'.encode()))


@pytest.mark.parametrize("wrong", ["17", "null", "[]", '{"a": "b"}', ' ["a"]'])
def test_a_prompt_is_a_string(wrong: str) -> None:
    texts = dict.fromkeys(("model", "system_prompt", "user_prompt"), "…")
    called = message("llm_called", **texts, raw_response=0)

    with pytest.raises(InvalidEvent, match="`raw_response` must be a string"):
        read_envelope(called.replace(b'"raw_response": 0', f'"raw_response":{wrong}'.encode()))


def test_brackets_inside_strings_do_not_count_as_nesting() -> None:
    assert read_envelope(message(data="[{" * 1000, extra='"[' * 600)).id == "e1"


def test_the_last_value_of_a_repeated_key_counts() -> None:
    body = f'"timestamp":"{TIME}","tool":"t","data":1,"agent_id":"a"'
    cases = {
        f'{{"type":"input","id":"first",{body},"id":"last"}}': ("input", "last"),
        f'{{"type":"input","id":7,{body},"id":"last"}}': ("input", "last"),
        f'{{"type":"input","id":"e",{body},"type":"run_started"}}': ("run_started", "e"),
        f'{{"type":"brand_new","id":"e",{body},"type":"run_started"}}': ("run_started", "e"),
        f'{{"type":"run_started","id":"e",{body},"type":"brand_new"}}': ("brand_new", "e"),
        f'{{"type":null,"id":"e",{body},"type":"input"}}': ("input", "e"),
        f'{{"type":"input","id":"e",{body},"i\\u0064":"escaped"}}': ("input", "escaped"),
    }
    for text, expected in cases.items():
        envelope, event = read_envelope(text.encode()), decode_event(text.encode())

        assert (envelope.type, envelope.id) == expected, text
        assert (event.type, event.id) == expected, text


def test_an_invalid_last_value_of_a_repeated_key_makes_the_event_invalid() -> None:
    for field, wrong in {"id": "7", "type": "null", "tool": "1", "timestamp": '"now"'}.items():
        with pytest.raises(InvalidEvent, match=field):
            read_envelope(message()[:-1] + f', "{field}":{wrong}}}'.encode())


@pytest.mark.parametrize("field", ["data", "extra", "\ud800"], ids=ascii)
@pytest.mark.parametrize("payload", ["\ud800", "a\0b", {"\udfff": ["\0"]}], ids=ascii)
@pytest.mark.parametrize("event_type", ["input", "brand_new"])
def test_nuls_and_lone_surrogates_in_a_payload_are_legal(event_type: str, field: str, payload: Any) -> None:
    event = decode_event(message(event_type, **{field: payload}))

    if field == "data" and isinstance(event, Input):
        assert event.data == payload
    if isinstance(event, UnknownEvent):
        assert event.message[field] == payload


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        ("1.5", 1.5),
        ("1e400", Decimal("1e400")),
        ("7" * 30, int("7" * 30)),
        ("7" * 5000, Decimal("7" * 5000)),
        ("-1e-99999", -0.0),
        ("1e99999999999999999999", math.inf),  # no Python type holds this exponent; `original` has the exact text
    ],
    ids=["float", "beyond floats", "beyond 64 bits", "beyond Python's digits", "below floats", "beyond all"],
)
@pytest.mark.parametrize("fast", [True, False])
def test_a_number_in_a_payload_becomes_the_python_number_that_holds_it(literal: str, expected: Any, fast: bool) -> None:
    # msgspec refuses the lone surrogate, so the slow decoder reads the message. Both return the same number.
    value = message(data="NUMBER", tool="" if fast else "\ud800").replace(b'"NUMBER"', literal.encode())
    event = decode_event(value)

    assert isinstance(event, Input)
    assert (type(event.data), event.data) == (type(expected), expected)


# --- the original ---


@pytest.mark.parametrize(
    "value", [message(), message("brand_new"), message(data="\ud800"), b" " + message() + b"\n"], ids=ascii
)
def test_a_decoded_event_keeps_the_exact_bytes_of_its_message(value: bytes) -> None:
    assert decode_event(value).original is value


def test_an_event_built_in_python_has_no_original() -> None:
    assert RunWaiting(id="e", timestamp=datetime(2026, 1, 1, tzinfo=UTC)).original is None
