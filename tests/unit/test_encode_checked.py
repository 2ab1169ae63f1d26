"""`read_envelope` accepts every message for which `encode_checked` returns True."""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_runs.codec import canonical_json, encode
from agent_runs.codec.decode import read_envelope
from agent_runs.codec.encode import encode_checked
from agent_runs.codec.lossy_json import dump_lossy
from agent_runs.events import EVENT_CLASSES, Event, Input, ToolSucceeded
from agent_runs.testing import RecordingEmitter

np: Any = pytest.importorskip("numpy")
pydantic: Any = pytest.importorskip("pydantic")

AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Point:
    x: Any
    y: Any


Answer = pydantic.create_model("Answer", text=(str | None, None))


class WordAsIsoformat(datetime):
    def isoformat(self, *_: object, **__: object) -> str:
        return "noon"


TEXTS = st.sampled_from(["", "a", "é" * 63, "é" * 64, "x" * 64, "x" * 300, "\0", "a\ud800", "run/1", "V1StGXR8aZ5j"])
TIMES = st.sampled_from(
    [
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        datetime(2026, 1, 1),  # noqa: DTZ001
        WordAsIsoformat(2026, 1, 1, tzinfo=UTC),
        time(12, tzinfo=UTC),
        "2026-01-01T00:00:00Z",
        None,
        5,
    ]
)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


ANYTHING = st.one_of(
    *(TEXTS, TIMES, st.none(), st.booleans(), st.integers(), st.floats(), st.binary(max_size=3), st.just(object)),
    st.dictionaries(TEXTS, st.floats() | TEXTS, max_size=3),
    st.sampled_from([100, 400, 510, 511, 512, 600]).map(nested),
)


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Generate events of any class. A field may hold any value; most fields hold a value of their type."""
    event_class = draw(st.sampled_from(list(EVENT_CLASSES.values())))
    valid = {"timestamp": TIMES, "count": st.integers(0, 2**31)}
    fields: dict[str, Any] = {
        field: draw(st.one_of(valid.get(field, TEXTS), ANYTHING) if draw(st.booleans()) else valid.get(field, TEXTS))
        for field in event_class.__struct_fields__
    }
    return event_class(**fields)


FURTHER_FIELDS = st.dictionaries(TEXTS, ANYTHING, max_size=2)


@given(events(), FURTHER_FIELDS)
@settings(max_examples=1500)
def test_what_is_called_valid_is_accepted(event: Any, further_fields: dict[str, Any]) -> None:
    value, is_valid = encode_checked(event, further_fields)
    if is_valid:
        read_envelope(value)  # raises for a message that is not valid


PARTS: dict[str, Any] = {"numbers": [0.5] * 3, "texts": {"a": ["é", {"b": None}]}}


@pytest.mark.parametrize(
    "rare",
    [
        *(math.nan, 1j, Decimal("NaN"), Decimal("1.5"), 10**5000, np.float32(0.5), np.float32("nan")),
        *({1, 2}, {"\ud800": 1}, {(1, 2): 3}, {True: 1}, Point(1, None), Answer(text=None), object()),
        *("a\ud800", b"a", datetime(2026, 1, 1, tzinfo=UTC)),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("place", [lambda rare: {**PARTS, "rare": rare}, lambda rare: [PARTS, [[Point(rare, 1)]]]])
def test_a_rare_value_does_not_slow_down_the_encoding_of_the_others(
    monkeypatch: pytest.MonkeyPatch, place: Callable[[Any], Any], rare: Any
) -> None:
    monkeypatch.delattr(encode, "encode_lossy")  # it takes thirty times as long
    monkeypatch.delattr(canonical_json, "dump_lossy")
    payload = place(rare)

    value, is_valid = encode_checked(ToolSucceeded(id="e", timestamp=AT, tool_name="t", result=payload), {})
    assert is_valid  # so that the message is not parsed
    read_envelope(value)
    assert canonical_json.canonical_json(payload) == dump_lossy(payload, canonical=True)


NUMBERS = [
    *(np.int8(-1), np.uint64(2**64 - 1), np.float16(0.5), np.float32(0.1), np.float64(1e300), np.longdouble(0.5)),
    *(np.bool_(True), np.float64("inf"), np.float32("nan"), 0.5, 7, None, np.timedelta64(5, "s"), np.str_("é")),
]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: f"{type(number).__name__} {number}")
def test_many_numbers_are_encoded_as_one_is(number: Any) -> None:
    one = msgspec.json.decode(_message(number))["result"]
    other = msgspec.json.decode(_message(np.float64(2.5)))["result"]
    many = {"list": [number] * 100, "mixed": (number, np.float64(2.5), "x"), "object": dict.fromkeys(KEYS, number)}

    decoded = msgspec.json.decode(_message(many))["result"]
    assert decoded == {"list": [one] * 100, "mixed": [one, other, "x"], "object": dict.fromkeys(KEYS, one)}


@pytest.mark.parametrize(
    "items",
    [
        *([kind(1) for _ in range(1000)] for kind in (np.int64, np.float64, np.float32, np.bool_)),
        *([{1, 2}, b"a", AT, timedelta(1), UUID(int=1)] * 200, [2**70 + number for number in range(1000)]),
    ],
    ids=lambda items: f"{type(items[0]).__name__}",
)
def test_frequent_kinds_of_rare_values_need_no_function_call_each(items: list[Any]) -> None:
    _message(items[:1])  # the type of numpy is examined once
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        _message(items)
    finally:
        sys.setprofile(None)
    assert calls < 300  # one for each set


def test_the_keys_of_many_numbers_are_escaped_too() -> None:
    assert b'"\\ud800":1' in _message(dict.fromkeys([*KEYS, "\ud800"], np.int64(1)))


KEYS = [f"key-{number}" for number in range(100)]


def _message(result: Any) -> bytes:
    value, is_valid = encode_checked(ToolSucceeded(id="e", timestamp=AT, tool_name="t", result=result), {})
    assert is_valid
    return value


@pytest.mark.parametrize(("levels", "valid"), [(510, True), (511, True), (512, False)])
def test_a_further_field_is_valid_as_deep_as_the_contract_allows(levels: int, valid: bool) -> None:
    event = ToolSucceeded(id="e", timestamp=AT, tool_name="t", result=1)
    value, is_valid = encode_checked(event, {"x": nested(levels)})

    assert is_valid is valid
    assert (b"$repr" in value) is not valid
    read_envelope(value)


@pytest.mark.parametrize(("levels", "valid"), [(510, True), (511, True), (512, False)])
def test_a_payload_is_valid_as_deep_as_the_contract_allows(levels: int, valid: bool) -> None:
    event = ToolSucceeded(id="e", timestamp=AT, tool_name="t", result=nested(levels))
    value, is_valid = encode_checked(event)

    assert is_valid is valid
    assert (b"$repr" in value) is not valid
    read_envelope(value)


def test_frequent_events_are_called_valid_and_need_not_be_read_back() -> None:
    emitter = RecordingEmitter()
    run = emitter.run("r")
    run.llm_called(model="m", system_prompt="s", user_prompt="u", raw_response="r")
    run.tool_requested("t", {"a": [1, 2.5, None]})
    run.tool_succeeded("t", [{"b": True}])
    run.input("t")
    run.context_assembled(["x"])
    run.tool_failed("t", "e")
    run.run_completed()

    assert [encode_checked(event)[1] for event in emitter.events()] == [True] * 7


def test_a_timestamp_that_is_text_is_read_back_and_accepted() -> None:
    emitter = RecordingEmitter()
    time: Any = "2026-01-01T00:00:00Z"
    emitter.emit("r", Input(id="e", timestamp=time, tool="t", data=1))

    assert emitter.types() == ["input"]
