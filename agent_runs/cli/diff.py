"""The command `diff`."""

from itertools import groupby
from typing import Any, Final

import click
from rich.text import Text

from agent_runs.cli.output import console, cut, print_json, print_line, to_json, width
from agent_runs.cli.prompt import print_changes
from agent_runs.cli.source import read
from agent_runs.escaping import escape_line
from agent_runs.reader import Pair, RunSource, StoredEvent, compare_runs
from agent_runs.reader.event_text import count_text, event_text
from agent_runs.run_file import RunNotFound

_DIFFERENCES: Final = 1
_STYLES: Final = {"=": "dim", "~": "yellow", "-": "red", "+": "green"}


@click.command("diff")
@click.argument("first", metavar="RUN")
@click.argument("second", metavar="RUN")
@click.option("--all", "show_all", is_flag=True, help="Also list the events that are equal.")
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Text or JSON."
)
@click.pass_context
def diff_command(context: click.Context, first: str, second: str, *, show_all: bool, output: str) -> None:
    """Compare two runs, event by event.

    Events are aligned by what was asked, and differences are listed by path. Ids, times and durations are not compared.
    Exit code 1: there are differences.

    \b
    Examples:
      agent-runs diff booking-7 booking-8
      agent-runs diff booking-7 booking-8 --all -o json
    """
    pairs = read(lambda source: _compare(source, first, second))
    if output == "json":
        print_json(to_json([_document(pair) for pair in pairs if show_all or not pair.is_equal]).encode())
    else:
        _print(pairs, first, second, show_all=show_all)
    context.exit(0 if all(pair.is_equal for pair in pairs) else _DIFFERENCES)


async def _compare(source: RunSource, first: str, second: str) -> list[Pair]:
    runs = [await _events(source, run_id) for run_id in (first, second)]
    return compare_runs(*runs)


async def _events(source: RunSource, run_id: str) -> list[StoredEvent]:
    run = await source.get_run(run_id)
    if run is None:
        raise RunNotFound(run_id)
    return run.events


def _document(pair: Pair) -> dict[str, Any]:
    event = pair.after or pair.before
    return {
        "before": pair.before and pair.before.seq,
        "after": pair.after and pair.after.seq,
        "type": event and event.type,
        "changes": pair.changes,
    }


def _print(pairs: list[Pair], first: str, second: str, *, show_all: bool) -> None:
    print_line(f"- {first}", "red")
    print_line(f"+ {second}", "green")
    for is_equal, group in groupby(pairs, key=lambda pair: pair.is_equal):
        found = list(group)
        if is_equal and not show_all:
            print_line(f"  = {count_text(len(found), 'event')} {'is' if len(found) == 1 else 'are'} equal", "dim")
            continue
        for pair in found:
            _print_pair(pair)


def _print_pair(pair: Pair) -> None:
    mark = "=" if pair.is_equal else "~" if pair.before and pair.after else "-" if pair.before else "+"
    event = pair.after or pair.before
    if event is None:
        return
    numbers = " ".join(f"{'' if side is None else side.seq:>4}" for side in (pair.before, pair.after))
    text = escape_line(f"{numbers} {event.type} {event_text(event.event)}")
    columns = width()
    console().print(Text(f"{mark} {cut(text, columns - 2) if columns else text}", _STYLES[mark]))
    print_changes(pair.changes, indent="            ")
