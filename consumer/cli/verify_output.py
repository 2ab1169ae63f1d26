"""Prints the result of `verify`."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import click
import msgspec
from rich.table import Table

from agent_runs.cli.output import console, print_line
from consumer.verify.difference import Difference

_SHOWN: Final = 50
_KEPT: Final = 1000  # of a damaged database, there may be millions
_OUTCOMES: Final = ("event", "dead_letter", "repeat", "missing")


class VerifyReport(msgspec.Struct):
    """What verify has compared and found.

    Attributes:
        runs: how many runs were compared.
        events: how many events they have.
        differences: the first 1,000 differences.
        counts_by_kind: the number of all differences, by kind.
        counts_by_outcome: how many records of the topic were found as what; None without --topic.
    """

    runs: int = 0
    events: int = 0
    differences: list[Difference] = msgspec.field(default_factory=list)
    counts_by_kind: Counter[str] = msgspec.field(default_factory=Counter)
    counts_by_outcome: Mapping[str, int] | None = None
    duration_s: float = 0.0

    @property
    def count(self) -> int:
        """The number of differences."""
        return self.counts_by_kind.total()

    def add(self, differences: Sequence[Difference]) -> None:
        """Count the differences, and keep them if they are among the first."""
        self.counts_by_kind.update(difference.kind for difference in differences)
        self.differences += differences[: _KEPT - len(self.differences)]


def report_as_text(report: VerifyReport) -> None:
    """Print the first 50 differences, and the numbers."""
    if report.counts_by_outcome is not None:
        table = Table("records of the topic", "count")
        for name in _OUTCOMES:
            table.add_row(name, str(report.counts_by_outcome.get(name, 0)))
        console().print(table)
    for difference in report.differences[:_SHOWN]:
        print_line(f"{difference.kind}: {difference.where}: {difference.detail}")
    if report.count > _SHOWN:
        print_line(f"… and {report.count - _SHOWN} more")
    print_line(f"{report.runs:,} runs and {report.events:,} events compared in {report.duration_s:,.1f} s")
    print_line(f"{report.count} differences")


def report_as_json(report: VerifyReport) -> None:
    """Print one JSON object, in ASCII."""
    outcomes = report.counts_by_outcome
    document = {
        "runs": report.runs,
        "events": report.events,
        "duration_s": round(report.duration_s, 3),
        "differences": report.count,
        "differences_by_kind": dict(report.counts_by_kind),
        "first_differences": [difference._asdict() for difference in report.differences],
        "records_of_topic": None if outcomes is None else {name: outcomes.get(name, 0) for name in _OUTCOMES},
    }
    click.echo(json.dumps(document, indent=2))
