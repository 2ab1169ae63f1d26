"""The page of a dead letter: the record that was refused, and what is wrong with it."""

import json
from typing import Final
from xml.etree.ElementTree import Element

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from agent_runs.codec import strict_json
from agent_runs.errors import NotJson
from agent_runs.ids import id_problem
from agent_runs.reader import DeadLetter
from viewer.api import reader_of
from viewer.errors import Failure
from viewer.html import both_times, el, text_block, time_element
from viewer.layout import facts, page
from viewer.parameters import Address, Parameters, path_number

_MAX_KEY: Final = 100  # characters in a list
_MAX_PRETTY: Final = 1024 * 1024  # characters
# What each reason means, in the order in which they are checked.
REASONS: Final = {
    "missing_key": "The record has no key, so it belongs to no run.",
    "invalid_key": "The key is not a valid run id.",
    "too_large": "The value is larger than AGENT_RUNS_MAX_EVENT_BYTES, or has too many JSON values.",
    "not_json": "The value is not JSON.",
    "invalid_event": "The value is JSON, but not an event of the contract.",
    "store_rejected": "PostgreSQL cannot store the event.",
    "event_id_conflict": "The run has another event with this id.",
    "unreadable": "An operator skipped the record, because it could not be read or written.",
}


async def dead_letter_page(request: Request) -> Response:
    """Return the page of a dead letter."""
    Parameters(request, ())
    number = path_number(request, "number", 1)
    letter = await reader_of(request).dead_letters.get(number)
    if letter is None:
        raise Failure(404, f"There is no dead letter {number}.")
    return HTMLResponse(
        page(
            f"Dead letter {number}",
            el("p", el("a", "Operations", href="/operations"), class_="crumb"),
            el("h1", f"Dead letter {number}"),
            el("p", REASONS.get(letter.reason, ""), " ", letter.detail, class_="failure"),
            _facts(letter),
            _value(letter),
            _commands(letter) if letter.state == "open" else None,
        )
    )


def dead_letter_row(letter: DeadLetter) -> Element:
    """Return a dead letter as an item of a list."""
    key = _text(letter.key) if letter.key is not None else "no key"
    return el(
        "li",
        el("a", f"#{letter.id}", href=f"/operations/dead-letters/{letter.id}", class_="row-link"),
        el("span", letter.reason, class_="reason", title=REASONS.get(letter.reason)),
        el("span", key if len(key) <= _MAX_KEY else f"{key[:_MAX_KEY]}…", class_="key"),
        el("span", letter.detail, class_="detail"),
        time_element(letter.created_at),
    )


def _facts(letter: DeadLetter) -> Element:
    run = _run_id(letter)
    key = "none" if letter.key is None else _text(letter.key)
    return facts(
        ("Reason", letter.reason),
        ("State", letter.state),
        ("Key", key if run is None else el("a", key, href=Address(run).page())),
        ("Topic", letter.topic),
        ("Partition", str(letter.partition)),
        ("Offset", f"{letter.record_offset:,}"),
        ("Offsets", f"{letter.offset_count:,}" if letter.offset_count > 1 else None),
        ("Record time", None if letter.record_timestamp is None else both_times(letter.record_timestamp)),
        ("Refused", both_times(letter.created_at)),
        ("Refused again", f"{letter.retries} times" if letter.retries else None),
    )


def _value(letter: DeadLetter) -> Element:
    size = "none" if letter.value_bytes is None else f"{letter.value_bytes:,} bytes"
    value = letter.value or b""
    is_cut = letter.value_bytes is not None and len(value) < letter.value_bytes
    return el(
        "section",
        el("h2", "Value"),
        el("p", size, f", of which the first {len(value):,} are shown" if is_cut else None, class_="dim"),
        text_block(pretty(value)),
        class_="prompt",
    )


def _commands(letter: DeadLetter) -> Element:
    name = "agent-runs-consumer dead-letters"
    lines = (
        f"{name} show {letter.id}",
        f"{name} retry {letter.id}",
        f"{name} discard {letter.id} --because WHY --by NAME",
    )
    return el("section", el("h2", "Commands"), el("pre", "\n".join(lines), class_="command"), class_="remedy")


def _run_id(letter: DeadLetter) -> str | None:
    """Return the run that the key names; None if it names none."""
    try:
        run = (letter.key or b"").decode()
    except UnicodeDecodeError:
        return None
    return run if letter.key and id_problem(run) is None else None


def pretty(value: bytes) -> str:
    """Return a value as indented JSON if it is JSON, else as text."""
    try:
        parts = json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(strict_json.parse(value))
        pretty, length = [], 0
        for part in parts:
            pretty.append(part)
            length += len(part)
            if length > _MAX_PRETTY:  # the indentation of deep values can be a thousand times as long as they are
                return _text(value)
        return "".join(pretty)
    except (NotJson, TypeError, ValueError, RecursionError):  # a Decimal is not serializable
        return _text(value)


def _text(value: bytes) -> str:
    """Return bytes as text; those that are not UTF-8 become escapes with a backslash."""
    return value.decode("utf-8", "backslashreplace")
