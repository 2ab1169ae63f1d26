"""The command `fork`."""

import shlex
from typing import Any

import click

from agent_runs.cli.errors import Refused
from agent_runs.cli.options import run_argument, wait_option
from agent_runs.cli.output import note, print_line
from agent_runs.cli.source import read_database, summary_of
from agent_runs.errors import UnreadableEvent
from agent_runs.events import RunEvent, UnknownEvent
from agent_runs.ids import id_problem, new_id
from agent_runs.labels import labels_problem
from agent_runs.publishing.single_events import build_event, publish_event, wait_until_stored
from agent_runs.reader import Reader, RunSummary
from agent_runs.replay import FORKED_FROM, REPLAY_OF, origin_fields
from agent_runs.replay.forks import history_fields


@click.command("fork", short_help="Start a run that continues from an event of another run.")
@run_argument
@click.option(
    "--until", required=True, metavar="EVENT", help="The last event that the fork has: its number, or its id."
)
@click.option("--as", "fork_id", metavar="RUN", help="The id of the fork. Default: a new one.")
@wait_option("fork")
def fork_command(run_id: str, until: str, fork_id: str | None, wait_s: float) -> None:
    """Start a run that continues from an event of another run, and print its id.

    The fork has the agent, session and labels of the other run, which is not changed, and the events up to EVENT in a
    context_assembled. An agent takes the fork up with a recording: the calls up to EVENT have their recorded answers,
    later ones are made. See docs/replay.md.

    \b
    Examples:
      agent-runs fork booking-7 --until 4
      agent-runs fork booking-7 --until found --wait 0
    """
    fork_id = fork_id or new_id()
    if problem := id_problem(fork_id):
        raise click.UsageError(f"--as: the id of the run {problem}")

    async def work(reader: Reader) -> None:
        run = await summary_of(reader, run_id)
        if await reader.get_summary(fork_id) is not None:
            raise Refused(f"the run {fork_id!r} exists already")
        number = await _number(reader, run, until)
        started = build_event(_start_of_fork(run, number))
        fields = await history_fields(run_id, number, reader.get_run_events(run_id, until=number))
        history = _history(fields, started.id, number + 1)
        for event in (started, history):
            await publish_event(fork_id, event)
        print_line(fork_id)
        if await wait_until_stored(reader, fork_id, history.id, -1, wait_s) is None:
            note("The fork is in Kafka, but not stored yet: is a consumer running?")
        else:
            note(f"List the forks of this run with: agent-runs runs --label {shlex.quote(f'{FORKED_FROM}={run_id}')}")

    read_database(work)


def _start_of_fork(run: RunSummary, until: int) -> dict[str, object]:
    """Return the fields of the `run_started`: a fork is neither a child of the run's parent nor a replay."""
    fields = origin_fields(run.id, until)
    kept = {name: value for name, value in run.labels.items() if name not in (REPLAY_OF, FORKED_FROM)}
    labels = {**kept, **fields.pop("labels", {})}
    if labels_problem(labels):  # the run has as many labels as a run may have
        labels = kept
    session = {} if run.session_id is None else {"session_id": run.session_id}
    return {"type": "run_started", "agent_id": run.agent, **session, "labels": labels, **fields}


def _history(fields: dict[str, Any], parent_event_id: str, count: int) -> RunEvent | UnknownEvent:
    """Return the event with the history; without the events if they are nested too deep to be part of another one."""
    fields = {**fields, "parent_event_id": parent_event_id}
    try:
        return build_event(fields)
    except UnreadableEvent:
        return build_event({**fields, "context": {**fields["context"], "events": [], "left_out": count}})


async def _number(reader: Reader, run: RunSummary, until: str) -> int:
    """Return the number of an event that is given by its number or its id.

    Raises:
        Refused: the run has no such event.
    """
    if until.isascii() and until.isdigit() and int(until) < run.event_count:
        return int(until)
    async for stored in reader.get_run_events(run.id):
        if stored.id == until:
            return stored.seq
    raise Refused(f"the run {run.id!r} has no event {until!r}: its events have the numbers 0 to {run.event_count - 1}")
