"""Prints text, tables and JSON. What runs contain is untrusted: characters that are not printable are escaped."""

import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent_runs.codec.lossy_json import dump_struct
from agent_runs.escaping import escape_line
from agent_runs.status import RunStatus
from agent_runs.times import duration_text

STATUS_STYLES: Final = {
    RunStatus.RUNNING: "cyan",
    RunStatus.WAITING: "yellow",
    RunStatus.COMPLETED: "green",
    RunStatus.FAILED: "red",
}
_NOT_ASCII: Final = re.compile(r"[^\x20-\x7e]")
_PLAIN_CELL: Final = 400  # characters of a cell, if the output is not a terminal
_PADDED_CELL: Final = 60  # of longer ones, the columns after them are not aligned
_WRAPPED_CELL: Final = 200  # characters of a cell on a terminal
_ID_WIDTH: Final = 12  # of the ids that the emitter makes
_ID_SHARE: Final = 0.3  # of the width of the terminal that longer ids may take
_CELL_WIDTH: Final = 20  # of a time, the longest cell of known length between the first and the last column

Cell = str | Text


def console() -> Console:
    """Return a console that prints text unchanged: no markup, no highlighting, no line breaks."""
    return Console(soft_wrap=True, highlight=False, markup=False, emoji=False)


def print_line(text: Cell, style: str | None = None, target: Console | None = None) -> None:
    """Print one line; unprintable characters of a string are escaped.

    Args:
        text: the line.
        style: the colour and weight.
        target: the console, if several lines are printed to the same one.
    """
    target = target or console()
    line = escape_line(text) if isinstance(text, str) else text
    if target.is_terminal:
        target.print(line, style=style, no_wrap=True, overflow="ignore", crop=False)
    else:
        click.echo(str(line))  # a tenth of the time


def note(text: str) -> None:
    """Print a line about the result to standard error, so that standard output holds the result only."""
    click.echo(escape_line(text), err=True)


def print_json(document: bytes | Any) -> None:
    """Print a value, or the text of one, as one line of JSON; unprintable characters are escaped as JSON does it."""
    text = document.decode() if isinstance(document, bytes) else to_json(document)
    click.echo(_NOT_ASCII.sub(_escape_in_json, text))


def to_json(value: Any) -> str:
    """Return a value, such as a struct of the reader, as JSON."""
    return dump_struct(value).decode()


def _escape_in_json(match: re.Match[str]) -> str:
    character = match[0]
    if character.isprintable():
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def print_table(headers: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print rows in columns: cut to the width of a terminal, or, in a pipe, in aligned plain text.

    On a terminal, the first column, which has ids, and the last one are wrapped, and the others are cut.
    """
    target = console()
    if not target.is_terminal:
        _print_plain(headers, rows)
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False, expand=True)
    first, *between, last = headers
    widest_id = max(_ID_WIDTH, int(_ID_SHARE * target.width))
    table.add_column(first, overflow="fold", min_width=_ID_WIDTH, max_width=widest_id)
    for header in between:
        table.add_column(header, overflow="ellipsis", no_wrap=True, max_width=max(_CELL_WIDTH, target.width // 5))
    table.add_column(last, overflow="fold", ratio=1)
    for row in rows:
        table.add_row(*(Text(cut(escape_line(cell), _WRAPPED_CELL)) if isinstance(cell, str) else cell for cell in row))
    Console(highlight=False).print(table)


def _print_plain(headers: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    lines = [list(headers), *([cut(escape_line(str(cell)), _PLAIN_CELL) for cell in row] for row in rows)]
    columns = zip(*lines, strict=True)
    widths = [max((len(cell) for cell in column if len(cell) <= _PADDED_CELL), default=0) for column in columns]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def status_text(status: RunStatus) -> Text:
    """Return a status in its colour."""
    return Text(status.value, STATUS_STYLES[status])


def print_text(text: str, prefix: str = "", style: str | None = None) -> None:
    """Print a text of several lines, each after a prefix; unprintable characters but tabs are escaped."""
    target = console()
    lines = [prefix + "\t".join(map(escape_line, line.split("\t"))) for line in text.split("\n")]
    if target.is_terminal:
        for line in lines:
            target.print(line, style=style)
    else:
        click.echo("\n".join(lines))


def cut(text: str, width: int) -> str:
    """Return the text, cut to a number of characters."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def width() -> int | None:
    """Return the columns of the terminal; None if the output is not a terminal."""
    target = console()
    return target.width if target.is_terminal else None


def since(at: datetime) -> str:
    """Return how long ago a time is."""
    return duration_text(datetime.now(UTC) - at)


def age_text(at: datetime) -> str:
    """Return how long ago a time is in one unit, such as `3m`."""
    return since(at).split(" ")[0]


def is_terminal() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout.isatty()
