"""`canonical_json`: equal values have equal texts, and the text has the whole value."""

import json
import math
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_runs.codec.canonical_json import canonical_json, text_of
from agent_runs.codec.lossy_json import dump_lossy


class Role(StrEnum):
    USER = "user"


@dataclass
class Turn:
    role: Any
    content: Any


class Completion:
    """As pydantic models are: msgspec does not know the class."""

    def model_dump(self, mode: str) -> dict[str, Any]:
        return {"usage": {"output": 2, "input": 1}, "mode": mode}


class Broken:
    def __repr__(self) -> str:
        raise LookupError


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=3), children, max_size=3),
    max_leaves=10,
)


@given(plain)
def test_the_text_is_the_same_value_and_does_not_depend_on_the_order_of_keys(value: Any) -> None:
    text = canonical_json(value)

    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text
    assert canonical_json(reversed_keys(value)) == text


def reversed_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reversed_keys(item) for key, item in reversed(value.items())}
    return [reversed_keys(item) for item in value] if isinstance(value, list) else value


# One part of a value that msgspec refuses must not change the text of the other parts.
@given(plain)
def test_both_encoders_give_the_same_text(value: Any) -> None:
    assert dump_lossy(value, canonical=True) == canonical_json(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([{"role": "user", "content": "Grüße\n"}], '[{"content":"Grüße\\n","role":"user"}]'),
        ([Turn(Role.USER, "hi")], '[{"content":"hi","role":"user"}]'),
        (Completion(), '{"mode":"json","usage":{"input":1,"output":2}}'),
        ({"z": 1, "é": 2, "a": 3, "Z": 4}, '{"Z":4,"a":3,"z":1,"é":2}'),
        ({10, 9}, "[9,10]"),
        ({10, "a"}, '["a",10]'),
        ({2: "b", "1": "a"}, '{"1":"a","2":"b"}'),
        ({"n": math.nan, "b": 1e16, "a": "é"}, '{"a":"é","b":1e16,"n":{"$repr":"nan"}}'),
        ("\ud800", '"\\ud800"'),
        ({"text": "\ud800é\0\x7f", "a": 1}, '{"a":1,"text":"\\ud800é\\u0000\x7f"}'),
        (Decimal("0.10"), "0.10"),
        (10**30, "1" + "0" * 30),
        (None, "null"),
        (b"\xff", '"/w=="'),
        (Broken(), '{"$repr":"<Broken whose repr raised LookupError>"}'),
    ],
    ids=range(15),
)
def test_a_value_has_this_text(value: Any, text: str) -> None:
    assert canonical_json(value) == text


def test_a_value_that_is_nested_too_deep_has_a_repr_in_its_text() -> None:
    value: Any = 1
    for _ in range(600):
        value = [value]

    assert canonical_json(value).count("[") > 500
    assert "$repr" in canonical_json(value)


def test_an_encoding_that_is_not_json_becomes_a_repr() -> None:
    assert "$repr" in json.loads(canonical_json([msgspec.Raw(b"{no json")]))[0]


def test_strings_stay_as_they_are() -> None:
    for text in ("", '["a"]', "\ud800\0", Role.USER):
        assert text_of(text) is text
    assert text_of(["a"]) == '["a"]'
