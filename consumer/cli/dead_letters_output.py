"""Prints dead letters as text. Control characters of records are escaped: they have no effect on a terminal."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent_runs.cli.output import console
from agent_runs.escaping import escape_line
from consumer.dead_letters.as_json import rfc3339
from consumer.dead_letters.locate import Place, locate
from consumer.dead_letters.retry import Outcome, Retried
from consumer.dead_letters.table import Action, DeadLetter, DeadLetterSummary

_WIDTH: Final = 160  # columns, if the output is not a terminal
_SHOWN_CHARACTERS: Final = 4_000  # of a key or a value
_SHOWN_DETAIL: Final = 80  # characters of a key or a detail in the table
_SHOWN_HEADER: Final = 100  # characters of the name or the value of a header


def _console() -> Console:
    target = console()
    if not target.is_terminal:
        target.width = _WIDTH
    return target


def letters(found: Sequence[DeadLetterSummary], *, more: bool) -> None:
    """Print a table with one line for each dead letter."""
    table = Table("id", "partition", "offset", "time", "key", "bytes", "reason", "detail", "state", "retries")
    for letter in found:
        cells = (
            str(letter.id),
            str(letter.partition),
            str(letter.record_offset),
            "-" if letter.record_timestamp is None else rfc3339(letter.record_timestamp),
            _bytes_text(letter.key, _SHOWN_DETAIL),
            "-" if letter.value_bytes is None else str(letter.value_bytes),
            letter.reason.value,
            _cut(escape_line(letter.detail), _SHOWN_DETAIL),
            letter.state,
            str(letter.retries),
        )
        table.add_row(*(Text(cell or "-") for cell in cells))
    target = _console()
    target.print(table)
    if more:
        target.print(f"There are more: continue with --after {found[-1].id}")
    elif not found:
        target.print("No dead letter matches.")


def letter(letter: DeadLetter, history: Sequence[Action]) -> None:
    """Print one dead letter and its history."""
    target = _console()
    summary_rows = Table.grid(padding=(0, 2))
    for name, value in _summary_rows(letter):
        summary_rows.add_row(name, Text(value))
    target.print(summary_rows)
    if place := locate(letter, letter.reason, letter.detail):
        target.print(f"\nerror at: {place.part}, byte {place.byte}")
        target.print("\n".join(_pointer(place)))
    target.print("\nheaders" if letter.headers else "\nno headers")
    for header, data in letter.headers:
        target.print(f"  {_cut(escape_line(header), _SHOWN_HEADER)}: {_bytes_text(data, _SHOWN_HEADER)}")
    target.print("\nvalue")
    target.print(_value_text(letter.value))
    target.print("\nhistory")
    for action in history:
        by = f" by {escape_line(action.actor)}" if action.actor else ""
        why = f"{action.reason}: " if action.reason else ""
        target.print(f"  {rfc3339(action.at)}  {action.action}{by}: {why}{escape_line(action.detail)}")


def _summary_rows(letter: DeadLetter) -> Iterator[tuple[str, str]]:
    yield "dead letter", f"{letter.id}, {letter.state}, refused again {letter.retries} times"
    yield "reason", f"{letter.reason}: {escape_line(letter.detail)}"
    timestamp = rfc3339(letter.timestamp) or "timestamp out of range"
    yield "record", f"partition {letter.partition}, offset {letter.offset}, {timestamp}"
    yield "key", _bytes_text(letter.key, _SHOWN_CHARACTERS)
    yield "value", "null" if letter.value is None else f"{len(letter.value)} bytes"


def _pointer(place: Place) -> Iterator[str]:
    """Yield the text around the error, and a line with a caret below the error."""
    before = escape_line(place.before.decode(errors="backslashreplace"))
    yield f"  {before}{escape_line(place.after.decode(errors='backslashreplace'))}"
    yield f"  {' ' * len(before)}^"


def _value_text(value: bytes | None) -> str:
    """Return the value as indented JSON, or as text with escapes if it is not JSON. Long text is cut."""
    if not value:
        return "  null" if value is None else "  (empty)"
    try:
        text = msgspec.json.format(value, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = value[: 4 * _SHOWN_CHARACTERS].decode(errors="backslashreplace")
    lines = [f"  {escape_line(line)}" for line in text[:_SHOWN_CHARACTERS].split("\n")]
    if len(text) > _SHOWN_CHARACTERS:
        lines.append(f"  … cut; `dead-letters export ID --bytes` writes all {len(value)} bytes")
    return "\n".join(lines)


def retried(result: Retried) -> None:
    """Print the result of retrying one dead letter."""
    _console().print(f"dead letter {result.letter_id}: {result.outcome}: {escape_line(result.detail)}")


def summary(counts: Counter[Outcome], *, dry_run: bool) -> None:
    """Print the number of dead letters by result."""
    text = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome)
    _console().print(f"{'dry run, nothing changed; a real run would give: ' if dry_run else ''}{text}")


def discarded(count: int) -> None:
    """Print the number of discarded dead letters."""
    _console().print(f"{count} discarded")


def _bytes_text(data: bytes | None, limit: int) -> str:
    return (
        "null"
        if data is None
        else _cut(escape_line(data[: 4 * limit].decode(errors="backslashreplace")), limit) or '""'
    )


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
