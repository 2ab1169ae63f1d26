"""Pages are trees: nothing in them is taken for HTML."""

import re
from datetime import UTC, datetime, timedelta

from viewer.dead_letter_page import pretty
from viewer.html import document, el, time_element

SCRIPT = "<script>alert(1)</script>\"'&"


def test_text_and_attributes_are_escaped() -> None:
    page = document(el("p", SCRIPT, title=SCRIPT, data_x=SCRIPT)).decode()

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert re.fullmatch(r'<!doctype html>\n<p title="[^"]*" data-x="[^"]*">[^<]*</p>', page)


def test_characters_that_are_not_printable_are_shown_as_escapes_in_their_place() -> None:
    page = document(el("p", "a\x1b[31mb\u202ec\n\td\ud800e\0")).decode()

    assert page == (
        '<!doctype html>\n<p>a<span class="escape">\\x1b</span>[31mb<span class="escape">\\u202e</span>c\n\td'
        '<span class="escape">\\ud800</span>e<span class="escape">\\x00</span></p>'
    )


def test_letters_that_cannot_be_seen_are_shown_as_escapes() -> None:
    made = el("a", "\u3164", "\n", "\u2764\ufe0f\U000e0148")

    assert "".join(made.itertext()) == "\\u3164\n\u2764\ufe0f\\U000e0148"


def test_a_text_after_an_element_follows_it_and_nothing_stands_for_none() -> None:
    page = document(
        el("p", "a", el("b", "c"), "d", None, ["e", [el("br")]], hidden=True, id=None, title=False)
    ).decode()

    assert page == '<!doctype html>\n<p hidden="hidden">a<b>c</b>de<br></p>'


def test_a_text_of_unprintable_characters_is_escaped_and_does_not_become_as_many_elements() -> None:
    made = el("p", "a" + "\u202e" * 100_000 + "\x1b\n<b>")

    assert len(made) == 2000
    text = "".join(made.itertext())
    assert (text[:7], text[-8:], text.count("\\u202e")) == ("a\\u202e", "\\x1b\n<b>", 100_000)


def test_a_deep_value_of_a_dead_letter_is_not_indented_without_limit() -> None:
    deep = b"[" * 500 + b"1," * 50_000 + b"1" + b"]" * 500

    assert pretty(deep) == deep.decode()
    assert pretty(b'{"a":[1]}') == '{\n  "a": [\n    1\n  ]\n}'
    assert pretty(b"{\xff") == "{\\xff"


def test_a_time_has_the_text_that_the_script_shows() -> None:
    now = datetime.now(UTC)
    for ago, text in (({"minutes": 90}, "1h ago"), ({"days": 400}, "400d ago"), ({"hours": -1}, "0s ago")):
        made = time_element(now - timedelta(**ago))
        assert (made.text, made.get("datetime")) == (text, (now - timedelta(**ago)).isoformat())
