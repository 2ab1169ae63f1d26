"""`new_id` makes NanoIDs; `id_problem` accepts any string that the contract allows."""

import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from agent_runs.ids import id_problem, new_id


def test_a_new_id_has_twelve_letters_and_digits() -> None:
    for _ in range(1000):
        assert re.fullmatch("[A-Za-z0-9]{12}", new_id())


def test_new_ids_use_the_whole_alphabet_and_do_not_repeat() -> None:
    ids = [new_id() for _ in range(2000)]

    assert len(set(ids)) == 2000
    # 24,000 draws from 62 characters: 387 of each are expected; 200 is more than eight standard deviations below that.
    assert all("".join(ids).count(character) > 200 for character in set("".join(ids)))
    assert len(set("".join(ids))) == 62


def test_a_forked_process_makes_other_ids_than_its_parent() -> None:
    new_id()  # fills the pool of generated ids
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, "".join(new_id() for _ in range(100)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    text = os.read(reading, 1200).decode()
    os.close(reading)
    os.close(writing)
    theirs = {text[at : at + 12] for at in range(0, 1200, 12)}

    assert len(theirs) == 100
    assert theirs.isdisjoint(new_id() for _ in range(100))


def test_threads_share_no_id() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = [text for ids in pool.map(lambda _: [new_id() for _ in range(500)], range(16)) for text in ids]

    assert len(set(made)) == len(made) == 8000


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
def test_a_string_of_at_most_255_bytes_without_nul_and_lone_surrogates_is_an_id(text: str) -> None:
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
def test_the_problem_of_an_invalid_id_is_named(text: str, problem: str) -> None:
    assert id_problem(text) == problem
