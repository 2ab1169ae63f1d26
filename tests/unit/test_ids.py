"""Ids: ours are NanoIDs; those of others are any short clean string."""

import re

import pytest

from agent_runs.ids import id_problem, new_id


def test_a_new_id_has_twelve_characters_of_the_nanoid_alphabet() -> None:
    for _ in range(1000):
        assert re.fullmatch("[A-Za-z0-9]{12}", new_id())


def test_new_ids_use_the_whole_alphabet_and_do_not_repeat() -> None:
    ids = [new_id() for _ in range(2000)]

    assert len(set(ids)) == 2000
    # 24,000 draws of 62: each is expected 387 times, and missing 200 of them is eight standard deviations away.
    assert all("".join(ids).count(character) > 200 for character in set("".join(ids)))
    assert len(set("".join(ids))) == 62


@pytest.mark.parametrize(
    "text",
    [
        "a",
        " ",
        "run/1",
        "x" * 255,
        "é" * 127 + "x",
        "\U0001f600" * 63,
        "-",
        "a\nb",
        "\u200b",
        "\U00020000" * 63 + "xyz",
    ],
    ids=ascii,
)
def test_a_short_clean_string_is_an_id(text: str) -> None:
    assert id_problem(text) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("a\0b", "contains a NUL"),
        ("\0", "contains a NUL"),
        ("ab\ud800", "contains a lone surrogate (character 2)"),
        ("\udfff" * 300, "contains a lone surrogate (character 0)"),
        ("x" * 256, "has 256 bytes, more than 255"),
        ("é" * 128, "has 256 bytes, more than 255"),
        ("\U00020000" * 64, "has 256 bytes, more than 255"),
        ("a" * 64 + "é" * 96, "has 256 bytes, more than 255"),
    ],
    ids=ascii,
)
def test_what_keeps_a_string_from_being_an_id_is_said(text: str, problem: str) -> None:
    assert id_problem(text) == problem
