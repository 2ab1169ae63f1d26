"""Reads the events of many runs, one run after the other, with one query for as many small runs as fit in a page."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import NamedTuple

from agent_runs.reader.connections import Connections
from agent_runs.reader.errors import DatabaseNotReady, DatabaseUnavailable, ReaderError
from agent_runs.reader.event_pages import MAX_EVENTS, MAX_STORED_BYTES, EventQuery, event_of_row, event_pages
from agent_runs.reader.runs import RunSummary
from agent_runs.reader.stored_events import StoredEvent


class EventOfRun(NamedTuple):
    """An event, and the id of its run."""

    run_id: str
    stored: StoredEvent


async def pages_of_runs(connections: Connections, runs: Sequence[RunSummary]) -> AsyncIterator[list[EventOfRun]]:
    """Iterate over the events of runs, in the order of the runs, some at a time.

    Args:
        connections: the pool.
        runs: different runs. Events that were stored after a run was read are left out.
    """
    for group in _groups(runs):
        last_seqs = {run.id: run.event_count - 1 for run in group}
        after = dict.fromkeys(last_seqs, -1)
        if len(group) > 1:
            async for page in _pages_of_group(connections, after, last_seqs):
                yield page
        for run_id, seq in after.items():  # what the group has left
            async for events in event_pages(connections, EventQuery(run_id, last_seqs[run_id]), seq):
                yield [EventOfRun(run_id, event) for event in events]


def _groups(runs: Sequence[RunSummary]) -> Iterator[list[RunSummary]]:
    """Iterate over consecutive runs, as many together as have at most a page of events, but at least one."""
    group: list[RunSummary] = []
    count = 0
    for run in runs:
        if group and count + run.event_count > MAX_EVENTS:
            yield group
            group, count = [], 0
        group.append(run)
        count += run.event_count
    if group:
        yield group


async def _pages_of_group(
    connections: Connections, after: dict[str, int], last_seqs: dict[str, int]
) -> AsyncIterator[list[EventOfRun]]:
    """Iterate over the events of runs that have few, and remove each run from `after` when all its events were read.

    Ends early if PostgreSQL cannot return a message: reading run by run finds out which.

    Args:
        connections: the pool.
        after: by the id of each run, the number of the last event that was read.
        last_seqs: by the id of each run, the number of its last event.
    """
    while after:
        ends = [last_seqs[run_id] for run_id in after]
        try:
            rows = await connections.fetch("events_of_runs", list(after), list(after.values()), ends, MAX_STORED_BYTES)
        except (DatabaseUnavailable, DatabaseNotReady):
            raise
        except ReaderError:
            return
        if not rows:
            after.clear()  # none of these runs has events
            return
        last = rows[-1]
        run_ids = list(after)
        for run_id in run_ids[: run_ids.index(last["run_id"])]:
            del after[run_id]
        after[last["run_id"]] = last["event_seq"]
        if last["event_seq"] == last_seqs[last["run_id"]]:
            del after[last["run_id"]]
        yield [EventOfRun(row["run_id"], event_of_row(row)) for row in rows]
