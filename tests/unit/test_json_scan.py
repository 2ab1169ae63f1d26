"""Depth, number of values and unstorable characters of a JSON text that is not decoded."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_runs.codec.json_scan import MAX_VALUES, too_deep, too_many_values, without_unstorable

DEEP = [
    ("arrays", "[" * 512 + "]" * 512, False),
    ("arrays, one more", "[" * 513 + "]" * 513, True),
    ("objects", '{"a":' * 511 + "{}" + "}" * 511, False),
    ("objects, one more", '{"a":' * 512 + "{}" + "}" * 512, True),
    ("both", '[{"a":' * 256 + "1" + "}]" * 256, False),
    ("both, one more", '[[{"a":' + '[{"a":' * 255 + "1" + "}]" * 256 + "]", True),
    ("side by side", "[" + ",".join(["[]"] * 2000) + "]", False),
    ("at the limit, and more side by side", "[" * 512 + "]" * 511 + ",[],{}]", False),
    ("brackets in a string", json.dumps("[" * 2000), False),
    ("brackets behind an escaped quote", json.dumps('"' + "[{" * 2000), False),
    ("brackets behind a backslash", json.dumps("\\") + "[" * 10, False),
    ("a string that ends with a backslash, then depth", '["\\\\",' + "[" * 512 + "]" * 513, True),
    ("brackets in a key", '{"' + "[" * 2000 + '":1}', False),
    ("deep, but not at the end", "[" + "[" * 512 + "]" * 512 + ",1]", True),
]


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in DEEP], ids=[row[0] for row in DEEP])
def test_only_a_text_nested_more_than_512_deep_is_too_deep(text: str, expected: bool) -> None:
    assert too_deep(text.encode()) is expected


def values(count: int) -> bytes:
    """Return an array with `count` values, the array included."""
    return b"[" + b",".join([b"1"] * (count - 1)) + b"]"


COUNTED = [
    ("scalars, at the limit", values(MAX_VALUES), False),
    ("scalars, one more", values(MAX_VALUES + 1), True),
    ("empty arrays, at the limit", b"[" + b",".join([b"[ ]"] * (MAX_VALUES - 1)) + b"]", False),
    ("empty arrays, one more", b"[" + b",".join([b"[\n]"] * MAX_VALUES) + b"]", True),
    ("empty objects, the most there may be", b"[" + b",".join([b"{\t}"] * (MAX_VALUES - 1)) + b"]", False),
    ("empty objects, one more", b"[" + b",".join([b"{}"] * MAX_VALUES) + b"]", True),
    ("arrays of one, at the limit", b"[" + b",".join([b"[1]"] * 499_999 + [b"1"]) + b"]", False),
    ("arrays of one, one more", b"[" + b",".join([b"[1]"] * 500_000) + b"]", True),
    ("members, at the limit", b"{" + b",".join([b'"k":1'] * 999_999) + b"}", False),
    ("members, one more", b"{" + b",".join([b'"k":1'] * 1_000_000) + b"}", True),
    ("commas in a string", json.dumps("," * 3_000_000).encode(), False),
]


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in COUNTED], ids=[row[0] for row in COUNTED])
def test_only_more_than_a_million_values_are_too_many(text: bytes, expected: bool) -> None:
    assert too_many_values(text) is expected


REPLACED = [
    (r'"\u0000"', r'"\ufffd"'),
    (r'"\\u0000"', r'"\\u0000"'),
    (r'"\\\u0000"', r'"\\\ufffd"'),
    (r'"\\\\u0000"', r'"\\\\u0000"'),
    (r'"\ud800"', r'"\ufffd"'),
    (r'"\uDfFf"', r'"\ufffd"'),
    (r'"\ud83d\ude00"', r'"\ud83d\ude00"'),
    (r'"\uD83D\uDE00"', r'"\uD83D\uDE00"'),
    (r'"\ude00\ud83d"', r'"\ufffd\ufffd"'),
    (r'"\ud800\ud83d\ude00"', r'"\ufffd\ud83d\ude00"'),
    (r'"\ud83d\ude00\ude00"', r'"\ud83d\ude00\ufffd"'),
    (r'"\ud83d\\ude00"', r'"\ufffd\\ude00"'),
    (r'"\ud83d \ude00"', r'"\ufffd \ufffd"'),
    (r'"\ud7ff\ue000\u0001\n\""', r'"\ud7ff\ue000\u0001\n\""'),
    (r'{"\u0000":"\ud800"}', r'{"\ufffd":"\ufffd"}'),
]


@pytest.mark.parametrize(("text", "expected"), REPLACED)
def test_only_nuls_and_lone_surrogates_are_replaced(text: str, expected: str) -> None:
    assert without_unstorable(text.encode()) == expected.encode()


def test_a_text_without_them_is_returned_itself() -> None:
    text = rb'{"a": "\\u0000 \ud83d\ude00"}'

    assert without_unstorable(text) is text


# Joined in every order, because what is an escape depends on the number of backslashes before it.
FRAGMENTS = ["\\\\", "\\u0000", "\\ud83d", "\\ude00", "\\uDBFF", "\\uDC00", "\\n", '\\"', "u0000", "a", "é", "\\u0041"]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join))
def test_the_replaced_characters_are_those_that_a_json_reader_sees(inside: str) -> None:
    text = f'"{inside}"'
    # Python's decoder combines pairs of surrogates and keeps lone ones.
    expected = re.sub("[\0\ud800-\udfff]", "\ufffd", json.loads(text))

    assert json.loads(without_unstorable(text.encode())) == expected
