"""`encode_event` returns a valid message for any payload that an agent passes."""

import json
import math
import operator
from collections import OrderedDict, UserDict
from ctypes import c_double, c_int
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_runs import (
    ContextAssembled,
    EventsDropped,
    Input,
    LlmCalled,
    LlmFailed,
    RunCompleted,
    RunEvent,
    RunStarted,
    ToolFailed,
    decode_event,
    encode_event,
)
from agent_runs.codec.encode import encode_lossy
from agent_runs.codec.json_scan import MAX_DEPTH, too_deep
from agent_runs.codec.lossy_json import dump_fast
from tests.support.builders import message

np: Any = pytest.importorskip("numpy")
AT = datetime(2026, 1, 1, tzinfo=UTC)


class Opaque:
    def __repr__(self) -> str:
        return "<opaque>"


class RaisingRepr:
    def __repr__(self) -> str:
        raise LookupError("no repr")


class Unbound:
    """An object whose `__class__` raises, like the proxies of web frameworks outside of a request."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("outside of a request")

    def __repr__(self) -> str:
        return "<unbound>"


class Text(str):
    __slots__ = ()


class Amount(float):
    pass


class Number(int):
    pass


class Money(Decimal):
    pass


class Delay(timedelta):
    pass


class Stopped(datetime):
    """A subclass of datetime, like freezegun's FakeDatetime."""


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


@dataclass
class Point:
    x: float
    y: Any = 0


class Model:
    """An object with `model_dump`, like a pydantic model."""

    def model_dump(self, *, mode: str) -> dict[str, str]:
        return {"mode": mode}

    def __repr__(self) -> str:
        return "Model()"


class BrokenModel(Model):
    def model_dump(self, *, mode: str) -> dict[str, str]:
        raise ArithmeticError

    def __repr__(self) -> str:
        return "BrokenModel()"


class Scalar:
    """A number of a library for tensors: it has no dimensions, or one item."""

    def __init__(self, number: Any, shape: tuple[int, ...] = ()) -> None:
        self.number = number
        self.shape = shape

    def item(self) -> Any:
        return self.number

    def __index__(self) -> int:
        return operator.index(self.number)

    def __repr__(self) -> str:
        return f"<scalar {self.number}>"


class Basket:
    """Not a number, although it has an `item`."""

    def item(self, name: str) -> str:
        return name

    def model_dump(self, *, mode: str) -> list[str]:
        return ["basket"]

    def __repr__(self) -> str:
        return "Basket()"


class Pair(NamedTuple):
    a: int
    b: None


class Shade(Enum):
    """An enumeration whose values msgspec does not encode exactly."""

    DARK = 0.5
    UNKNOWN = math.nan


class ArrowScalar:
    """A scalar as pyarrow has them."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __repr__(self) -> str:
        return f"<arrow {self._value}>"

    def as_py(self) -> object:
        return self._value


def encoded(payload: Any) -> Any:
    """Return the payload that a JSON reader finds in the message."""
    value = encode_event(RunCompleted(id="e", timestamp=AT, result=payload))
    decoded = json.loads(value, parse_constant=pytest.fail)
    decode_event(value)
    return decoded["result"]


def encoded_slowly(payload: Any) -> Any:
    return json.loads(encode_lossy(RunCompleted(id="e", timestamp=AT, result=payload)).decode("ascii"))["result"]


EXPRESSIBLE = [
    (Text("t"), "t"),
    (Number(5), 5),
    (Amount(0.5), 0.5),
    (Colour.RED, "red"),
    (Level.HIGH, 3),
    (b"\xff\0", "/wA="),
    ((1, (2,)), [1, [2]]),
    (Pair(1, None), [1, None]),
    ({1}, [1]),
    (frozenset({"a"}), ["a"]),
    (Point(1.5, Point(2)), {"x": 1.5, "y": {"x": 2, "y": 0}}),
    (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    (MappingProxyType({"a": {1: 2}}), {"a": {"1": 2}}),
    (UserDict({"a": None}), {"a": None}),
    (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    (date(2026, 1, 31), "2026-01-31"),
    (Stopped(2026, 1, 31, tzinfo=UTC), "2026-01-31T00:00:00+00:00"),
    (datetime(2026, 1, 31, tzinfo=timezone(timedelta(hours=1))), "2026-01-31T00:00:00+01:00"),
    (Decimal("1.50"), 1.5),
    (Money("1.50"), 1.5),
    (Delay(seconds=3), "PT3S"),
    (2**70, 2**70),
    (-(2**64), -(2**64)),
    (Decimal("1E+400"), math.inf),
    (Path("/tmp/a file"), "/tmp/a file"),
    (Model(), {"mode": "json"}),
    (Scalar(6), 6),
    (Scalar(0.5), 0.5),
    (Basket(), ["basket"]),
    (Scalar(True), True),
    (np.int64(6), 6),
    (np.uint8(255), 255),
    (np.float16(0.5), 0.5),
    (np.float32(0.5), 0.5),
    (np.float64(0.5), 0.5),
    (np.longdouble(0.5), 0.5),
    (np.bytes_(b"a"), "YQ=="),
    (np.bool_(True), True),
    (np.str_("a"), "a"),
    (np.array(6), 6),
    ({np.int64(6): np.int64(7)}, {"6": 7}),
    (Fraction(1, 4), 0.25),
    (c_int(6), 6),
    (c_double(0.5), 0.5),
    (ArrowScalar(0.5), 0.5),
    (ArrowScalar(None), None),
    (Shade.DARK, 0.5),
    ([Decimal("1.50"), Decimal("-0"), Decimal("2E+3")], [1.5, 0, 2000]),
    ({None: 1, True: 2, 1.5: 3, (1, "a"): 4}, {"null": 1, "true": 2, "1.5": 3, '[1,"a"]': 4}),
    ({Colour.RED: 1, UUID(int=7): 2}, {"red": 1, "00000000-0000-0000-0000-000000000007": 2}),
]

INEXPRESSIBLE = [
    (Scalar(math.nan), "nan"),
    (Scalar(6, (1,)), "<scalar 6>"),
    (Scalar(1j), "<scalar 1j>"),
    (np.float32("nan"), "nan"),
    (np.array([6]), "array([6])"),
    (np.ma.masked, "masked"),
    (Fraction(10**400), f"Fraction({10**400}, 1)"),
    (Shade.UNKNOWN, "nan"),
    (np.complex64(1j), "np.complex64(1j)"),
    (np.datetime64(1, "ns"), "np.datetime64('1970-01-01T00:00:00.000000001')"),
    (math.nan, "nan"),
    (-math.inf, "-inf"),
    (Amount("nan"), "nan"),
    (Decimal("NaN"), "Decimal('NaN')"),
    (Decimal("sNaN"), "Decimal('sNaN')"),
    (Decimal("-Infinity"), "Decimal('-Infinity')"),
    (Opaque(), "<opaque>"),
    (Opaque, "<class 'tests.unit.test_event_encoding.Opaque'>"),
    (range(10**12), "range(0, 1000000000000)"),
    (1 + 2j, "(1+2j)"),
    (ValueError("wrong\ud800"), "ValueError('wrong\\ud800')"),
    (RaisingRepr(), "<RaisingRepr whose repr raised LookupError>"),
    (Unbound(), "<unbound>"),
    (BrokenModel(), "BrokenModel()"),
    (10**5000, hex(10**5000)),
    (Decimal("1E+131072"), "Decimal('1E+131072')"),
    (Decimal("-1E-16384"), "Decimal('-1E-16384')"),
    (Decimal("7" * 131_073), f"Decimal('{'7' * 131_073}')"),
]


@pytest.mark.parametrize(("payload", "expected"), EXPRESSIBLE, ids=repr)
def test_the_fast_and_the_slow_encoder_write_the_same_json(payload: Any, expected: Any) -> None:
    # The NaN makes the slow encoder write the whole message.
    assert encoded(payload) == expected
    assert encoded([payload, None]) == [expected, None]
    assert encoded({"payload": payload, "nan": math.nan}) == {"payload": expected, "nan": {"$repr": "nan"}}
    assert encoded_slowly(payload) == expected


@pytest.mark.parametrize(("payload", "representation"), INEXPRESSIBLE, ids=[ascii(text) for _, text in INEXPRESSIBLE])
def test_a_value_that_json_cannot_express_becomes_its_repr(payload: Any, representation: str) -> None:
    expected = {"$repr": representation}

    assert encoded(payload) == expected
    assert encoded({"a": [payload], "b": (payload, 1)}) == {"a": [expected], "b": [expected, 1]}
    assert encoded(Point(1, payload)) == {"x": 1, "y": expected}
    assert encoded_slowly(payload) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([Decimal(x) / 8 for x in range(60)], [x / 8 for x in range(60)]),
        ([Colour.RED] * 60, ["red"] * 60),
        ([Path(f"/{x}") for x in range(60)], [f"/{x}" for x in range(60)]),
        ([f'"caf\ud800\n {x}' for x in range(60)], [f'"caf\ud800\n {x}' for x in range(60)]),
    ],
)
@pytest.mark.parametrize(
    "odd", [1, "é\udfff", b"b", Decimal("NaN"), Decimal("7" * 131_073), Colour.RED, math.nan, Shade.DARK, Path("/a")]
)
def test_many_values_of_one_type_are_encoded_as_each_of_them(values: Any, expected: Any, odd: Any) -> None:
    of_odd = encoded_slowly(odd)
    for payload, found in (
        (values, expected),
        ([*values, odd], [*expected, of_odd]),
        (dict(enumerate([odd, *values])), {str(n): x for n, x in enumerate([of_odd, *expected])}),
        ({"a": values, "b\ud800": odd}, {"a": expected, "b\ud800": of_odd}),
    ):
        assert encoded(payload) == found


def test_text_that_looks_like_nan_is_not_changed() -> None:
    payload = {"NaN": "NaN, Infinity and null", "none": None, "list": [None, (0.5, Decimal(2))]}

    assert encoded(payload) == {"NaN": "NaN, Infinity and null", "none": None, "list": [None, [0.5, 2]]}


def test_an_object_as_a_key_becomes_its_repr_too() -> None:
    (key,) = encoded({Opaque(): 1})

    assert json.loads(key) == {"$repr": "<opaque>"}


def test_msgspec_refuses_a_key_that_is_not_text_without_recursion() -> None:
    with pytest.raises(TypeError, match="tuple as a key"):
        dump_fast({(1, 2): 3})


def test_a_container_that_contains_itself_is_cut_off_with_a_repr() -> None:
    ring: list[Any] = [1]
    ring += [ring, {"ring": ring}]

    assert encoded(ring) == [
        1,
        {"$repr": "[1, [...], {'ring': [...]}]"},
        {"ring": {"$repr": "[1, [...], {'ring': [...]}]"}},
    ]


@pytest.mark.parametrize("levels", [100, MAX_DEPTH - 2, MAX_DEPTH - 1, MAX_DEPTH, 900, 100_000])
def test_the_slow_encoder_keeps_the_nesting_limit_for_a_payload_of_any_depth(levels: int) -> None:
    payload: Any = "bottom"
    for _ in range(levels):
        payload = [payload]
    text = encode_lossy(RunCompleted(id="e", timestamp=AT, result=payload))

    # The part beyond the limit is in the `$repr`, unless Python's repr fails at that depth.
    assert not too_deep(text)
    assert (b'"bottom"' in text) == (levels < MAX_DEPTH - 1)
    assert (b"$repr" in text) == (levels >= MAX_DEPTH - 1)
    assert (b"bottom" in text) == (levels < 1000)


def test_an_object_that_occurs_twice_is_written_twice() -> None:
    shared = [math.nan]

    assert encoded([shared, {"a": shared}]) == [[{"$repr": "nan"}], {"a": [{"$repr": "nan"}]}]


def test_the_timestamp_of_a_frozen_clock_is_valid() -> None:
    event = RunCompleted(id="e", timestamp=Stopped(2026, 1, 31, tzinfo=UTC))

    assert decode_event(encode_event(event)).timestamp == datetime(2026, 1, 31, tzinfo=UTC)


def test_an_event_of_an_unknown_type_is_encoded_with_all_its_fields() -> None:
    value = message("brand_new", extra=[1, {"a": None}])

    assert json.loads(encode_event(decode_event(value))) == json.loads(value)
    assert json.loads(encode_lossy(decode_event(value))) == json.loads(value)


def test_a_lone_surrogate_is_written_as_an_escape_and_the_other_values_are_exact() -> None:
    payload = {"\udfff": [None, True, 1.5, (Decimal("1E+400"), "é")], "b": {}}
    event = Input(id="e", timestamp=datetime(2026, 1, 1, tzinfo=UTC), tool="\ud800", data=payload)

    assert encode_event(event).decode() == (
        r'{"type":"input","tool":"\ud800","data":{"\udfff":[null,true,1.5,[1E+400,"é"]],"b":{}},'
        r'"id":"e","parent_event_id":null,"timestamp":"2026-01-01T00:00:00Z"}'
    )


# Lone surrogates are too rare to be drawn at random. Only high ones are used: a pair is another character in JSON.
strings = st.text(max_size=20) | st.text(st.sampled_from('\ud800\0"\\aé😀'), max_size=5)
numbers = (
    st.integers()
    | st.integers(-(10**400), 10**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([Decimal("1E+400"), Decimal("-2.5E+9999"), Decimal("7" * 4500)])
)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | strings,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(strings, inner, max_size=4),
    max_leaves=8,
)
ids = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60)
offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
common = {"id": ids, "parent_event_id": st.none() | ids, "timestamp": st.datetimes(timezones=st.just(UTC) | offsets)}
events: st.SearchStrategy[RunEvent] = st.one_of(
    st.builds(Input, **common, tool=strings, data=json_values),
    st.builds(ContextAssembled, **common, context=json_values),
    st.builds(LlmCalled, **common, model=strings, system_prompt=strings, user_prompt=strings, raw_response=strings),
    st.builds(LlmFailed, **common, model=strings, system_prompt=strings, user_prompt=strings, error=strings),
    st.builds(ToolFailed, **common, tool_name=strings, error=strings),
    st.builds(RunStarted, **common, agent_id=ids, session_id=st.none() | ids, parent_run_id=st.none() | ids),
    st.builds(RunCompleted, **common, result=json_values),
    st.builds(
        EventsDropped,
        **common,
        count=st.integers(1, 2**31 - 1),
        reason=st.none() | strings,
        types=st.none() | st.dictionaries(strings, st.integers(1, 2**31 - 1), max_size=3),
        detail=st.none() | strings,
    ),
)


@given(events)
@settings(max_examples=250)
def test_decoding_an_encoded_event_returns_the_same_event(event: RunEvent) -> None:
    assert decode_event(encode_event(event)) == event


@given(json_values)
@settings(max_examples=100)
def test_an_encoded_event_is_json_for_any_reader(payload: Any) -> None:
    event = RunCompleted(id="e", timestamp=datetime(2026, 1, 1, tzinfo=UTC), result=payload)
    decoded = json.loads(encode_event(event).decode("utf-8", "strict"), parse_int=Decimal, parse_constant=pytest.fail)

    assert decoded["type"] == "run_completed"
