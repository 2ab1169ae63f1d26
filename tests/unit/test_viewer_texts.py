"""How the viewer shows texts of runs: questions, errors, and texts that differ."""

from xml.etree.ElementTree import Element, tostring

import pytest

from agent_runs.reader import Change
from viewer.error_page import error_page
from viewer.texts import shown_change, shown_question


def _html(element: Element) -> str:
    return tostring(element, encoding="unicode", method="html")


def _marks(before: str, after: str) -> list[str | None]:
    change = Change(path=["a"], kind="changed", before=before, after=after)
    return [mark.text for mark in shown_change(change).iter("mark")]


@pytest.mark.parametrize(
    ("before", "after", "marks"),
    [
        ("I hold two aisle seats.", "I hold the last two aisle seats.", ["the last "]),
        ("seats 14C and 14D", "seats 21C and 21D", ["14C and 14D", "21C and 21D"]),
        ("a a", "a a a", [" a"]),
        ("before", "after", []),
        ("", "after", []),
    ],
)
def test_of_two_texts_the_words_that_differ_are_marked(before: str, after: str, marks: list[str]) -> None:
    assert _marks(before, after) == marks


def test_both_texts_of_a_difference_are_whole() -> None:
    change = Change(path=["a"], kind="changed", before="one two\nthree", after="one 2\nthree")
    assert ["".join(pre.itertext()) for pre in shown_change(change).iter("pre")] == ["one two\nthree", "one 2\nthree"]


def test_the_arguments_of_a_question_are_on_lines_of_their_own_and_without_any_the_tool_is_named() -> None:
    assert _html(shown_question("Refund?", "ask_human")) == '<p class="asked">Refund?</p>'
    assert '{\n  "amount": 12\n}' in _html(shown_question('{"amount": 12}', "approve"))
    assert [_html(shown_question(text, "sign_off")) for text in ("", "{}")] == ['<p class="asked">sign_off</p>'] * 2


def test_a_command_in_the_sentence_of_an_error_is_shown_as_code() -> None:
    assert b"create them with <code>agent-runs-consumer migrate</code>." in error_page(
        503, "There are no tables: create them with `agent-runs-consumer migrate`.", 3
    )
    assert b"There is no run 'a`b'." in error_page(404, "There is no run 'a`b'.", None)
