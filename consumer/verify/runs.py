"""Compares every run with the fold of its events."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import NamedTuple

from consumer.postgres.session import Session
from consumer.verify.difference import Difference
from consumer.verify.messages import compare_messages
from consumer.verify.pages import Fetches, ReadRun, Selection, read_pages, read_runs


class Page(NamedTuple):
    """The result for some runs.

    Attributes:
        events: the number of events of the runs.
        verified_up_to: all runs up to this id have been compared; None if that is not known after this page.
    """

    differences: list[Difference]
    runs: int
    events: int
    verified_up_to: str | None


async def verify_runs(sessions: Sequence[Session], selection: Selection) -> AsyncIterator[Page]:
    """Compare runs with the folds of their events: the sequence numbers, and every column that the events determine.

    A run with a difference is read a second time, and only the second result counts: it may have been deleted or
    repaired between two queries of the first time.

    Args:
        sessions: are used at the same time. The first one must not be used by others meanwhile either.
        selection: which runs to compare.

    Raises:
        GaveUp: PostgreSQL stayed unavailable.
    """
    checker, after = RunChecker(sessions[0]), selection.after
    async for runs, verified_up_to in read_pages(sessions[1:], selection):
        suspects = [run.row["id"] for run in runs if await checker.differences(run)]
        again = await read_runs(sessions[0], suspects) if suspects else []
        found = [difference for run in again for difference in await checker.differences(run)]
        if verified_up_to is not None and selection.selects_all:
            found += [
                Difference("no_run", row["run_id"], "has events, but no row in agent_runs")
                for row in await sessions[0].fetch("events_without_run", after, verified_up_to)
            ]
            after = verified_up_to
        yield Page(found, len(runs), sum(run.fold.event_count for run in runs), verified_up_to)


class RunChecker:
    """Finds the differences of runs. Queries only what the rows of a run leave open."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def differences(self, run: ReadRun) -> list[Difference]:
        """Return what is wrong with a run and its events."""
        found = list(_sequence(run)) + [
            Difference("projection", run.row["id"], f"{column} is {stored!r}, expected from its events: {expected!r}")
            for column, stored, expected in await changed_columns(self._session, run)
        ]
        if run.unclear:
            found += await compare_messages(self._session, run.row["id"], run.unclear)
        return found


async def changed_columns(source: Fetches, run: ReadRun) -> list[tuple[str, object, object]]:
    """Return the columns that differ from the fold: name, stored value, and expected value.

    A parent_run_id is NULL if the parent was deleted; it does not differ then.
    """
    expected = run.fold.columns(run.row["named_at"])
    parent = expected["parent_run_id"]
    if parent != run.row["parent_run_id"] and not await source.fetch("existing_runs", [parent]):
        expected["parent_run_id"] = None
    return [(column, run.row[column], value) for column, value in expected.items() if run.row[column] != value]


def _sequence(run: ReadRun) -> Iterator[Difference]:
    run_id = run.row["id"]
    for seq, expected in run.gaps:
        yield Difference("sequence_gap", run_id, f"event_seq {seq}, expected {expected}")
    last_seq = run.row["last_seq"]
    if last_seq is not None and last_seq >= run.row["event_count"]:
        detail = f"has an event with event_seq {last_seq}, but event_count is {run.row['event_count']}"
        yield Difference("beyond_count", run_id, detail)
    if len(run.last_offsets) > 1:
        yield Difference("split_run", run_id, f"has events from partitions {sorted(run.last_offsets)}")
