"""The command `runs`."""

from typing import Any

import click

from agent_runs.cli.options import Duration, Label, Time, output_option
from agent_runs.cli.output import Cell, age_text, is_terminal, note, print_json, print_table, status_text, to_json
from agent_runs.cli.source import read
from agent_runs.reader import RunFilter, RunPage, RunSource, RunSummary
from agent_runs.reader.run_notes import run_notes
from agent_runs.status import RunStatus
from agent_runs.times import time_text


@click.command("runs")
@click.option("--status", type=click.Choice([status.value for status in RunStatus]), help="Of this status.")
@click.option("--agent", help="Of this agent.")
@click.option("--session", help="Of this session.")
@click.option("--parent", metavar="RUN", help="Spawned by this run.")
@click.option("--top-level", is_flag=True, help="Without a parent.")
@click.option(
    *("--created-from", "--since", "created_from"), type=Time(), metavar="TIME", help="Created at this time or later."
)
@click.option(
    *("--created-before", "--until", "created_before"), type=Time(), metavar="TIME", help="Created before this time."
)
@click.option("--updated-from", type=Time(), metavar="TIME", help="With an event at this time or later.")
@click.option("--updated-before", type=Time(), metavar="TIME", help="Without an event since this time.")
@click.option(
    *("--stale-for", "--stale", "stale_for"),
    type=Duration(),
    metavar="DURATION",
    help="Running, without an event for this long, such as 1h.",
)
@click.option(
    *("--has-dropped-events", "--holes", "has_dropped_events"), is_flag=True, help="Their producer dropped events."
)
@click.option("--has-open-questions", is_flag=True, help="With a question that nobody has answered.")
@click.option(
    *("--label", "labels"), type=Label(), multiple=True, metavar="NAME=VALUE", help="With this label; may be repeated."
)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Runs on a page.")
@click.option("--cursor", help="The next page: the cursor that the previous page ended with.")
@output_option
def runs_command(limit: int, cursor: str | None, output: str, **conditions: Any) -> None:
    """List runs, newest first, also by status, agent or label.

    The list has the runs that meet all conditions. NOTE says why a run failed, since when and for what it waits, and
    how many events are missing. A TIME is in UTC unless it has an offset; 1h is an hour ago.

    \b
    Examples:
      agent-runs runs --status failed --since 1h
      agent-runs runs --agent booking --stale 1h -o jsonl
    """
    filter_ = _filter(**conditions)

    async def work(source: RunSource) -> tuple[RunPage, list[str]]:
        page = await source.list_runs(filter_, limit=limit, cursor=cursor)
        return page, await run_notes(source, page.runs)

    page, notes = read(work)
    _print(page, notes, output)


def _filter(status: str | None, labels: tuple[tuple[str, str], ...], **conditions: Any) -> RunFilter:
    """Return the conditions of the options, which have the names of the filter."""
    of_name = dict(labels)
    if len(of_name) < len(set(labels)):
        raise click.UsageError("--label: a run has one value for each name")
    return RunFilter(status=RunStatus(status) if status else None, labels=of_name or None, **conditions)


def _print(page: RunPage, notes: list[str], output: str) -> None:
    documents = [_with_note(run, text) for run, text in zip(page.runs, notes, strict=True)]
    match output:
        case "json":
            print_json(b'{"runs":[%s],"cursor":%s}' % (b",".join(documents), to_json(page.cursor).encode()))
        case "jsonl":
            for document in documents:
                print_json(document)
        case _:
            rows = (_row(run, text) for run, text in zip(page.runs, notes, strict=True))
            if page.runs:
                print_table(("RUN", "STATUS", "AGENT", "AGE" if is_terminal() else "CREATED", "NOTE"), rows)
            else:
                note("No run matches.")
    if page.cursor and output != "json":
        note(f"There are more: continue with --cursor {page.cursor}")


def _with_note(run: RunSummary, text: str) -> bytes:
    return b'%s,"note":%s}' % (run.to_json()[:-1], to_json(text).encode())


def _row(run: RunSummary, text: str) -> tuple[Cell, ...]:
    created = age_text(run.created_at) if is_terminal() else time_text(run.created_at)
    if run.status is RunStatus.WAITING:
        at = run.status_changed_at
        text = f"{f'for {age_text(at)}' if is_terminal() else f'since {time_text(at)}'}{f': {text}' if text else ''}"
    return run.id, status_text(run.status), run.agent, created, text
