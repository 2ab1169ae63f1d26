"""Compares every run with the fold of its events."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, NamedTuple

from consumer.postgres.session import Session
from consumer.verify.difference import Difference
from consumer.verify.letters import verify_letters
from consumer.verify.messages import compare_messages
from consumer.verify.offsets import EventOffsets, verify_offsets
from consumer.verify.pace import Pace
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


async def verify_other_tables(session: Session) -> AsyncIterator[Difference]:
    """Yield what is wrong with the offsets and the dead letters.

    Raises:
        GaveUp: PostgreSQL stayed unavailable.
    """
    for difference in await verify_offsets(session):
        yield difference
    async for difference in verify_letters(session):
        yield difference


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
    checker, offsets, pace = RunChecker(sessions[0]), EventOffsets(sessions[0]), Pace(sessions[0])
    after = selection.after
    async for runs, verified_up_to in read_pages(sessions[1:], selection):
        suspects = [run.row["id"] for run in runs if await checker.differences(run)]
        again = await read_runs(sessions[0], suspects) if suspects else []
        found = [difference for run in again for difference in await checker.differences(run)]
        found += await offsets.differences(runs)
        if verified_up_to is not None and selection.selects_all:
            found += [
                _without_row(row["run_id"])
                for row in await sessions[0].fetch("events_without_run", after, verified_up_to)
            ]
            after = verified_up_to
        yield Page(found, len(runs), sum(run.fold.event_count for run in runs), verified_up_to)
        await pace.pause()


async def given_without_row(session: Session, selection: Selection) -> tuple[list[Difference], list[str]]:
    """Return a difference for each given run that has events, but no row, and the ids of those that have neither.

    `read_pages` passes over both.
    """
    rows = await session.fetch("given_without_row", list(selection.ids or ()))
    differences = [_without_row(row["id"]) for row in rows if row["has_events"]]
    return differences, [row["id"] for row in rows if not row["has_events"]]


def _without_row(run_id: str) -> Difference:
    return Difference("no_run", run_id, "has events, but no row in agent_runs")


class RunChecker:
    """Finds the differences of runs. Queries only what the rows of a run leave open."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def differences(self, run: ReadRun) -> list[Difference]:
        """Return what is wrong with a run and its events."""
        expected = await expected_columns(self._session, run)
        found = list(_sequence(run)) + [
            Difference(
                "projection", run.row["id"], f"{column} is {run.row[column]!r}, expected from its events: {value!r}"
            )
            for column, value in expected.items()
            if run.row[column] != value
        ]
        if run.unclear:
            found += await compare_messages(self._session, run.row["id"], run.unclear)
        if run.late:
            found += await self._out_of_order(run)
        return found

    async def _out_of_order(self, run: ReadRun) -> list[Difference]:
        places = [event.partition for event in run.late], [event.offset for event in run.late]
        expected = {row["position"] - 1 for row in await self._session.fetch("expected_late_events", *places)}
        return [
            Difference(
                "order",
                run.row["id"],
                f"event_seq {event.seq} has offset {event.offset} of partition {event.partition}, which is not greater "
                "than that of an event before it",
            )
            for index, event in enumerate(run.late)
            if index not in expected
        ]


async def expected_columns(source: Fetches, run: ReadRun) -> dict[str, Any]:
    """Return the columns that the events of a run determine, by name."""
    named_at = run.row["named_at"]
    expected = run.fold.columns(run.row["created_at"] if named_at is None else named_at)
    parent = expected["parent_run_id"]
    # NULL if the parent was deleted.
    if parent != run.row["parent_run_id"] and not await source.fetch("existing_runs", [parent]):
        expected["parent_run_id"] = None
    return expected


def _sequence(run: ReadRun) -> Iterator[Difference]:
    run_id = run.row["id"]
    for seq, expected in run.gaps:
        yield Difference("sequence_gap", run_id, f"event_seq {seq}, expected {expected}")
    if run.row["event_count"] == 0 and run.row["named_at"] is None:
        yield Difference("unnamed_run", run_id, "has no events, and no run names it as its parent")
    last_seq = run.row["last_seq"]
    if last_seq is not None and last_seq >= run.row["event_count"]:
        detail = f"has an event with event_seq {last_seq}, but event_count is {run.row['event_count']}"
        yield Difference("beyond_count", run_id, detail)
    if len(run.last_offsets) > 1:
        yield Difference("split_run", run_id, f"has events from partitions {sorted(run.last_offsets)}")
