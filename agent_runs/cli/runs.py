"""The command `runs`."""

import asyncio
from typing import Any, Final

import click

from agent_runs.cli.event_text import event_text, question_text
from agent_runs.cli.options import Duration, Time, output_option
from agent_runs.cli.output import (
    Cell,
    age_text,
    count_text,
    is_terminal,
    note,
    print_json,
    print_table,
    status_text,
    time_text,
    to_json,
)
from agent_runs.cli.questions_of_run import questions_of
from agent_runs.cli.source import read
from agent_runs.events import ToolRequested
from agent_runs.reader import RunFilter, RunPage, RunSource, RunSummary
from agent_runs.status import RunStatus

_LAST_EVENTS: Final = 100  # among which the reason of a failure nearly always is


@click.command("runs")
@click.option("--status", type=click.Choice([status.value for status in RunStatus]), help="Runs of this status.")
@click.option("--agent", help="Runs of this agent.")
@click.option("--session", help="Runs of this session.")
@click.option("--parent", metavar="RUN", help="Children of this run.")
@click.option("--since", "created_from", type=Time(), metavar="TIME", help="Runs created at this time or later.")
@click.option("--until", "created_before", type=Time(), metavar="TIME", help="Runs created before this time.")
@click.option(
    "--stale", "stale_for", type=Duration(), metavar="DURATION", help="Running runs without an event for this long: 1h."
)
@click.option("--holes", "has_dropped_events", is_flag=True, help="Runs whose producer reports dropped events.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Runs on a page.")
@click.option("--cursor", help="The next page: the cursor that the previous page ended with.")
@output_option
def runs_command(limit: int, cursor: str | None, output: str, status: str | None, **conditions: Any) -> None:
    """List runs, newest first.

    The options combine. NOTE says why a run failed, what it waits for, and how many events are missing.

    \b
    Examples:
      agent-runs runs --status failed
      agent-runs runs --agent booking --stale 1h -o jsonl
    """
    filter_ = RunFilter(status=RunStatus(status) if status else None, **conditions)

    async def work(source: RunSource) -> tuple[RunPage, list[str]]:
        page = await source.list_runs(filter_, limit=limit, cursor=cursor)
        if output != "table":
            return page, []
        return page, list(await asyncio.gather(*(_note(source, run) for run in page.runs)))

    page, notes = read(work)
    _print(page, notes, output)


def _print(page: RunPage, notes: list[str], output: str) -> None:
    match output:
        case "json":
            runs = ",".join(run.to_json().decode() for run in page.runs)
            print_json(f'{{"runs":[{runs}],"cursor":{to_json(page.cursor)}}}'.encode())
        case "jsonl":
            for run in page.runs:
                print_json(run.to_json())
        case _:
            rows = (_row(run, text) for run, text in zip(page.runs, notes, strict=True))
            if page.runs:
                print_table(("RUN", "STATUS", "AGENT", "AGE" if is_terminal() else "CREATED", "NOTE"), rows)
            else:
                note("No run matches.")
    if page.cursor and output != "json":
        note(f"There are more: continue with --cursor {page.cursor}")


def _row(run: RunSummary, text: str) -> tuple[Cell, ...]:
    created = age_text(run.created_at) if is_terminal() else time_text(run.created_at)
    return run.id, status_text(run.status), run.agent, created, text


async def _note(source: RunSource, run: RunSummary) -> str:
    """Return what a reader of the list wants to know about a run."""
    notes = [f"{count_text(run.dropped_events, 'event')} dropped"] if run.dropped_events else []
    if run.status is RunStatus.FAILED:
        notes.append(await _failure(source, run))
    elif run.status is RunStatus.WAITING:
        notes.append(await _waits_for(source, run))
    return "; ".join(notes)


async def _failure(source: RunSource, run: RunSummary) -> str:
    for after in (max(-1, run.event_count - _LAST_EVENTS - 1), -1):
        found = [event async for event in source.get_run_events(run.id, after=after, types=["run_failed"])]
        if found:
            return event_text(found[-1].event)
    return ""


async def _waits_for(source: RunSource, run: RunSummary) -> str:
    questions = await questions_of(source, run.id)
    if questions.open:
        requests = [stored.event for stored in questions.open]
        return "; ".join(
            f"{event.tool_name}: {question_text(event.tool_args)}"
            for event in requests
            if isinstance(event, ToolRequested)
        )
    waits = [event async for event in source.get_run_events(run.id, types=["run_waiting"])]
    return f"waits: {event_text(waits[-1].event)}" if waits else ""
