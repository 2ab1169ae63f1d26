"""Letters on a terminal. All that comes from a record is shown with escapes: nothing of it acts."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent_runs.escaping import escape_line
from consumer.cli.reports import text_console
from consumer.dead_letters.documents import time
from consumer.dead_letters.locate import Place, locate
from consumer.dead_letters.retry import Outcome, Tried
from consumer.dead_letters.table import Action, DeadLetter, DeadLetterSummary

_WIDTH: Final = 160  # where it is no terminal that would say its own
_SHOWN_CHARACTERS: Final = 4_000  # of a value
_SHOWN_DETAIL: Final = 80
_SHOWN_HEADER: Final = 100


def _console() -> Console:
    console = text_console()
    if not console.is_terminal:
        console.width = _WIDTH
    return console


def letters(found: Sequence[DeadLetterSummary], *, more: bool) -> None:
    """A table, a line each."""
    table = Table("id", "partition", "offset", "time", "key", "bytes", "reason", "detail", "state", "retries")
    for letter in found:
        cells = (
            str(letter.id),
            str(letter.partition),
            str(letter.record_offset),
            "-" if letter.record_timestamp is None else time(letter.record_timestamp),
            _bytes(letter.key, _SHOWN_DETAIL),
            "-" if letter.value_bytes is None else str(letter.value_bytes),
            letter.reason.value,
            _cut(escape_line(letter.detail), _SHOWN_DETAIL),
            letter.state,
            str(letter.retries),
        )
        table.add_row(*(Text(cell or "-") for cell in cells))
    console = _console()
    console.print(table)
    if more:
        console.print(f"There are more: --after {found[-1].id}")
    elif not found:
        console.print("No letter is like that.")


def letter(letter: DeadLetter, history: Sequence[Action]) -> None:
    """All that is known about one."""
    console = _console()
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(letter):
        facts.add_row(name, Text(value))
    console.print(facts)
    if place := locate(letter, letter.reason, letter.detail):
        console.print(f"\nwhere: {place.part}, byte {place.byte}")
        console.print("\n".join(_pointer(place)))
    console.print("\nheaders" if letter.headers else "\nno headers")
    for header, data in letter.headers:
        console.print(f"  {_cut(escape_line(header), _SHOWN_HEADER)}: {_bytes(data, _SHOWN_HEADER)}")
    console.print("\nvalue")
    console.print(_decoded(letter.value))
    console.print("\nhistory")
    for action in history:
        by = f" by {escape_line(action.actor)}" if action.actor else ""
        why = f"{action.reason}: " if action.reason else ""
        console.print(f"  {time(action.at)}  {action.action}{by}: {why}{escape_line(action.detail)}")


def _facts(letter: DeadLetter) -> Iterator[tuple[str, str]]:
    yield "letter", f"{letter.id}, {letter.state}, tried again {letter.retries} times"
    yield "refused for", f"{letter.reason}: {escape_line(letter.detail)}"
    yield (
        "record",
        f"partition {letter.partition}, offset {letter.offset}, {time(letter.timestamp) or 'no storable time'}",
    )
    yield "key", _bytes(letter.key, _SHOWN_CHARACTERS)
    yield "value", "null" if letter.value is None else f"{len(letter.value)} bytes"


def _pointer(place: Place) -> Iterator[str]:
    before = escape_line(place.before.decode(errors="backslashreplace"))
    yield f"  {before}{escape_line(place.after.decode(errors='backslashreplace'))}"
    yield f"  {' ' * len(before)}^"


def _decoded(value: bytes | None) -> str:
    """As JSON where it is some, else as text, else as escapes; its beginning, where it is long."""
    if not value:
        return "  null" if value is None else "  (empty)"
    try:
        text = msgspec.json.format(value, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = value[: 4 * _SHOWN_CHARACTERS].decode(errors="backslashreplace")
    lines = [f"  {escape_line(line)}" for line in text[:_SHOWN_CHARACTERS].split("\n")]
    if len(text) > _SHOWN_CHARACTERS:
        lines.append(f"  … of {len(value)} bytes: `dead-letters export ID --bytes` gives them all")
    return "\n".join(lines)


def tried(each: Tried) -> None:
    """What became of one letter."""
    _console().print(f"letter {each.letter_id}: {each.outcome}: {escape_line(each.detail)}")


def tried_in_all(counts: Counter[Outcome], *, dry_run: bool) -> None:
    """What became of all of them."""
    said = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome)
    _console().print(f"{'Would be: ' if dry_run else ''}{said}")


def discarded(count: int) -> None:
    """How many were given up."""
    _console().print(f"{count} discarded")


def _bytes(data: bytes | None, limit: int) -> str:
    return (
        "null"
        if data is None
        else _cut(escape_line(data[: 4 * limit].decode(errors="backslashreplace")), limit) or '""'
    )


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
