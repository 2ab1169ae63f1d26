"""Writes the results of rows into the tables of docs/compatibility.md."""

import re
from collections.abc import Mapping, Sequence

from tests.matrix.execution import Result
from tests.matrix.row import Row

HEAD = "| row | what was tried | with | outcome | seconds |\n|---|---|---|---|---|\n"
TABLES = "<!-- tables -->"
_LINE = re.compile(r"^\| `([\w.-]+)` \|.*$", re.MULTILINE)


def lines_by_row(page: str) -> dict[str, str]:
    """The lines of the tables of a page, by the name of their row."""
    return {match[1]: match[0] for match in _LINE.finditer(page.partition(TABLES)[2])}


def to_line(row: Row, result: Result) -> str:
    """The line of a row that was run."""
    with_ = "<br>".join(result.versions) or "–"
    outcome = f"works ({result.detail})" if result.outcome == "works" else f"{result.outcome}: {result.detail}"
    seconds = f"{result.seconds:.0f}" if result.outcome != "skipped" else "–"
    return f"| `{row.name}` | {row.tried} | {with_} | {outcome.replace('|', '/')} | {seconds} |"


def update(page: str, sections: Mapping[str, Sequence[Row]], results: Mapping[str, Result], machine: str) -> str:
    """Return the page with its tables written again: the given results, and the old lines of the other rows.

    Args:
        page: has a comment `<!-- tables -->`; all after it is replaced.
        sections: the rows of each table, by its heading.
        results: by the name of the row.
        machine: one line about the machine that has run them.
    """
    kept = lines_by_row(page)
    introduction = page.partition(TABLES)[0]
    tables = []
    for heading, rows in sections.items():
        lines = [to_line(row, results[row.name]) if row.name in results else _old_line(row, kept) for row in rows]
        tables.append(f"## {heading}\n\n{HEAD}" + "\n".join(lines) + "\n")
    return f"{introduction}{TABLES}\n\n{machine}\n\n" + "\n".join(tables)


def _old_line(row: Row, kept: Mapping[str, str]) -> str:
    return kept.get(row.name, f"| `{row.name}` | {row.tried} | – | not run yet | – |")
