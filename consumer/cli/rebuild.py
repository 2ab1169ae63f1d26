"""The command `rebuild`."""

import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import click
import msgspec

from agent_runs.cli.output import print_line
from consumer.cli.command import run_with_sessions
from consumer.cli.progress import show_progress
from consumer.cli.selection import check_given, selection, selection_options
from consumer.postgres.requirements import READ, REBUILD, check_database
from consumer.postgres.session import Session
from consumer.settings import read_config
from consumer.verify.difference import Difference
from consumer.verify.pages import count_events
from consumer.verify.rebuild import Change, Options, Rebuilt, rebuild_runs

_RUNS_LEFT: Final = 1
_SESSIONS: Final = 3  # two read pages, one writes
_SHOWN: Final = 50
_KEPT: Final = 1000  # if the rules of the fold have changed, there may be millions


class _Report(msgspec.Struct):
    runs: int = 0
    events: int = 0
    repaired: int = 0  # runs
    refused: int = 0
    changes: list[Change] = msgspec.field(default_factory=list)
    problems: list[Difference] = msgspec.field(default_factory=list)

    def add(self, page: Rebuilt) -> None:
        self.runs += page.runs
        self.events += page.events
        self.repaired += len({change.run for change in page.changes})
        self.refused += len(page.refused)
        self.changes += page.changes[: _KEPT - len(self.changes)]
        self.problems += page.refused[: _KEPT - len(self.problems)]


@click.command("rebuild", short_help="Compute the rows of agent_runs again, and repair them.")
@selection_options
@click.option("--dry-run", is_flag=True, help="Print the changes, and change nothing.")
@click.option(
    "--lower-counts",
    is_flag=True,
    help="Also lower event_count where fewer events are stored. First check with `verify --topic` that none "
    "is missing.",
)
@click.option(
    "--output", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Format."
)
def rebuild_command(form: str, dry_run: bool, lower_counts: bool, **selected: Any) -> None:  # noqa: FBT001  # as click
    """Compute the rows of agent_runs again from their events, and repair those that differ.

    Works while consumers store events. Changes nothing else than columns of agent_runs; a run whose events are damaged
    is left as it is.

    Exit code 1: runs were left as they are; with --dry-run also: runs differ.
    """
    config = read_config(os.environ, "database", "service", "topic")

    async def work(sessions: Sequence[Session]) -> _Report:
        await sessions[0].run(partial(check_database, rights=READ if dry_run else REBUILD))
        report, chosen = _Report(), selection(**selected)
        report.add(Rebuilt([], await check_given(sessions[0], chosen)))
        with show_progress("rebuild", await count_events(sessions[0], chosen)) as show:
            async for page in rebuild_runs(sessions, chosen, Options(dry_run, lower_counts)):
                report.add(page)
                show(page.events, page.done_up_to)
        return report

    report = run_with_sessions(config, _SESSIONS, work)
    (_print_json if form == "json" else _print_text)(report, dry_run=dry_run)
    sys.exit(_RUNS_LEFT if report.refused or (dry_run and report.repaired) else 0)


def _print_text(report: _Report, *, dry_run: bool) -> None:
    for change in report.changes[:_SHOWN]:
        print_line(f"{change.run}: {change.column}: {change.stored!r} -> {change.expected!r}")
    if len(report.changes) > _SHOWN:
        print_line("… and more")
    for problem in report.problems[:_SHOWN]:
        print_line(f"left as it is: {problem.kind}: {problem.where}: {problem.detail}", style="yellow")
    if report.problems:
        print_line("See docs/operating.md#rebuild for what to do about runs that were left as they are.")
    done = "would be repaired" if dry_run else "repaired"
    print_line(
        f"{report.runs:,} runs and {report.events:,} events read, {report.repaired:,} runs {done}, "
        f"{report.refused:,} problems left",
    )


def _print_json(report: _Report, *, dry_run: bool) -> None:
    document = {
        "dry_run": dry_run,
        "runs": report.runs,
        "events": report.events,
        "repaired_runs": report.repaired,
        "problems": report.refused,
        "first_changes": [change._asdict() for change in report.changes],
        "first_problems": [problem._asdict() for problem in report.problems],
    }
    click.echo(json.dumps(document, indent=2))
