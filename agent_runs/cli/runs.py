"""The command `runs`."""

import asyncio
from typing import Any, Final

import click

from agent_runs.cli.event_text import event_text, origin_text, question_text
from agent_runs.cli.options import Duration, Label, Time, output_option
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
from agent_runs.cli.source import read
from agent_runs.reader import RunFilter, RunPage, RunSource, RunSummary
from agent_runs.status import RunStatus

_LAST_EVENTS: Final = 100


@click.command("runs")
@click.option("--status", type=click.Choice([status.value for status in RunStatus]), help="Of this status.")
@click.option("--agent", help="Of this agent.")
@click.option("--session", help="Of this session.")
@click.option("--parent", metavar="RUN", help="Spawned by this run.")
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

    The list has the runs that meet all conditions. NOTE says why a run failed, what it waits for, and how many events
    are missing. A TIME is in UTC unless it has an offset.

    \b
    Examples:
      agent-runs runs --status failed
      agent-runs runs --agent booking --stale 1h -o jsonl
    """
    filter_ = _filter(**conditions)

    async def work(source: RunSource) -> tuple[RunPage, list[str]]:
        page = await source.list_runs(filter_, limit=limit, cursor=cursor)
        if output != "table":
            return page, []
        return page, await _notes(source, page.runs)

    page, notes = read(work)
    _print(page, notes, output)


def _filter(status: str | None, labels: tuple[tuple[str, str], ...], **conditions: Any) -> RunFilter:
    """Return the conditions of the options, which have the names of the filter."""
    of_name = dict(labels)
    if len(of_name) < len(set(labels)):
        raise click.UsageError("--label: a run has one value for each name")
    return RunFilter(status=RunStatus(status) if status else None, labels=of_name or None, **conditions)


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


async def _notes(source: RunSource, runs: list[RunSummary]) -> list[str]:
    """Return what a reader of the list wants to know about each run."""
    questions: dict[str, list[str]] = {}
    for question in await source.questions_of(runs):
        questions.setdefault(question.run.id, []).append(question_text(question))
    return await asyncio.gather(*(_note(source, run, questions.get(run.id, [])) for run in runs))


async def _note(source: RunSource, run: RunSummary, questions: list[str]) -> str:
    notes = [text] if (text := origin_text(run)) else []
    if run.dropped_events:
        notes.append(f"{count_text(run.dropped_events, 'event')} dropped")
    if run.status is RunStatus.FAILED:
        notes.append(await _last_text(source, run, "run_failed"))
    elif run.status is RunStatus.WAITING and not questions:
        notes.append(f"waits: {await _last_text(source, run, 'run_waiting')}")
    return "; ".join([*notes, *questions])


async def _last_text(source: RunSource, run: RunSummary, type: str) -> str:
    """Return what the last event of a type says, which is nearly always among the last events of the run."""
    for after in (max(-1, run.event_count - _LAST_EVENTS - 1), -1):
        found = [event async for event in source.get_run_events(run.id, after=after, types=[type])]
        if found:
            return event_text(found[-1].event)
    return ""
