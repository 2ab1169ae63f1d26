"""Prints text, tables and JSON. What runs contain is untrusted: characters that are not printable are escaped."""

import re
import sys
import textwrap
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click
from rich.cells import cell_len
from rich.console import Console, OverflowMethod, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from agent_runs.codec.lossy_json import dump_struct
from agent_runs.escaping import escape_line, is_visible
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
_LAST_WIDTH: Final = 20  # characters that a longer last cell has at least, before rows take several lines
_GAP: Final = 2  # between columns; also the indentation of the further lines of a row

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
    if is_visible(character):
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def print_table(headers: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print rows in columns: cut to the width of a terminal, or, in a pipe, in aligned plain text.

    On a terminal, the first column, which has ids, and the last one are wrapped, and the others are cut. If the last
    one would get too narrow, each row takes several lines.
    """
    target = console()
    if not target.is_terminal:
        _print_plain(headers, rows)
        return
    cells = [[Text(header, "dim") for header in headers], *([_terminal_cell(cell) for cell in row] for row in rows)]
    widths = _column_widths(cells, target.width)
    for row in cells:
        for at, columns in enumerate(_lines_of_columns(widths, target.width)):
            if at and not any(row[column] for column in columns):
                continue
            line = _line(row, widths, columns)
            target.print(Padding(line, (0, 0, 0, _GAP)) if at else line)


def _terminal_cell(cell: Cell) -> Text:
    return Text(cut(escape_line(cell), _WRAPPED_CELL)) if isinstance(cell, str) else cell


def _column_widths(cells: Sequence[Sequence[Text]], width: int) -> list[int]:
    """Return the width of each column: that of its widest cell, at most what the terminal allows."""
    between = min(max(_CELL_WIDTH, width // 5), width - _GAP)
    limits = [max(_ID_WIDTH, int(_ID_SHARE * width)), *[between] * (len(cells[0]) - 2), width]
    return [
        min(limit, max(cell_len(cell.plain) for cell in column))
        for limit, column in zip(limits, zip(*cells, strict=True), strict=True)
    ]


def _lines_of_columns(widths: Sequence[int], width: int) -> list[list[int]]:
    """Return which columns each line of a row has: one line if the last column has room, else as few as possible."""
    lines: list[list[int]] = [[]]
    used = 0
    for column, wanted in enumerate(widths):
        needed = min(wanted, _LAST_WIDTH) if column == len(widths) - 1 else wanted
        if lines[-1] and used + needed > width:
            lines.append([])
            used = _GAP
        lines[-1].append(column)
        used += needed + _GAP
    return lines


def _line(row: Sequence[Text], widths: Sequence[int], columns: Sequence[int]) -> RenderableType:
    """Return some cells of a row beside each other; the last one of them gets the rest of the line."""
    grid = Table.grid(padding=(0, _GAP, 0, 0), pad_edge=False, expand=True)
    for column in columns:
        folds = column in (0, len(row) - 1)
        width, ratio = (None, 1) if column == columns[-1] else (widths[column], None)
        overflow: OverflowMethod = "fold" if folds else "ellipsis"
        grid.add_column(overflow=overflow, no_wrap=not folds, width=width, ratio=ratio)
    grid.add_row(*(row[column] for column in columns))
    return grid


def print_fact(name: str, value: str, name_width: int) -> None:
    """Print a name and a value. On a terminal, the value continues in its own column; words are not broken."""
    target = console()
    escaped = escape_line(value)
    if target.is_terminal:
        room = max(_LAST_WIDTH, target.width - name_width - 1)
        wrapped = textwrap.wrap(escaped, room, break_long_words=False, break_on_hyphens=False)
        escaped = ("\n" + " " * (name_width + 1)).join(wrapped)
    target.print(Text.assemble((f"{name:<{name_width}} ", "dim"), escaped))


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
