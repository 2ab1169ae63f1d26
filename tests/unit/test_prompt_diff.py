"""The difference between two prompts."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_runs.reader.prompt_diff import Change, text_changes

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


def short(changes: list[Change]) -> list[tuple[Any, ...]]:
    return [(change.path, change.kind, change.before, change.after) for change in changes]


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ("same", "same", []),
        ("one\ntwo\n", "one\n2\nthree\n", [([1], "changed", "two\n", "2\nthree\n")]),
        ("one\ntwo\n", "two\n", [([0], "removed", "one\n", None)]),
        ("", "new", [([0], "added", None, "new")]),
        ("one\ntwo", "one\ntwo\nthree", [([2], "added", None, "three")]),
        ("one\ntwo", "one\ntwo\n", [([1], "changed", "two", "two\n")]),
        ("[1,2]", "[1,2,3]", [([2], "added", None, 3)]),
        ("[1,2,3]", "[1,3]", [([1], "removed", 2, None)]),
        ("[1, 2]", "[1,2]", []),
        ('{"a":[{"b":1}],"c":0}', '{"a":[{"b":2}],"d":0}', [
            (["a", 0, "b"], "changed", 1, 2), (["c"], "removed", 0, None), (["d"], "added", None, 0),
        ]),
        ("[true]", "[1]", [([0], "changed", True, 1)]),
        ("[1", "[2", [([0], "changed", "[1", "[2")]),
        ("[]", "{}", [([0], "changed", "[]", "{}")]),
    ],
)  # fmt: skip
def test_the_changes_name_their_place_and_both_sides(before: str, after: str, changes: list[tuple[Any, ...]]) -> None:
    assert short(text_changes(before, after, [])) == changes


@given(st.lists(JSON_VALUES, max_size=5), st.lists(JSON_VALUES, max_size=5))
def test_two_json_texts_have_no_changes_exactly_if_they_are_equal(before: list[Any], after: list[Any]) -> None:
    one, other = json.dumps(before), json.dumps(after)

    assert (text_changes(one, other, []) == []) == (
        json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)
    )


@given(st.text("ab\n", max_size=20), st.text("ab\n", max_size=20))
def test_the_changes_of_a_text_rebuild_its_lines(before: str, after: str) -> None:
    lines, changes = after.splitlines(), text_changes(before, after, [])
    for change in reversed(changes):
        (start,) = change.path
        assert isinstance(start, int)
        count = len((change.after or "").splitlines())
        lines[start : start + count] = (change.before or "").splitlines()
    assert lines == before.splitlines()
    assert (changes == []) == (before == after)
