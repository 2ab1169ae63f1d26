"""Repairs the columns of runs that their events determine, while consumers store events."""

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec

from consumer.postgres.session import Session
from consumer.postgres.store import Store
from consumer.verify.difference import Difference
from consumer.verify.fold import JSON_COLUMNS
from consumer.verify.pace import Pace
from consumer.verify.pages import ReadRun, Selection, fold_rest, read_pages, read_runs
from consumer.verify.runs import RunChecker, expected_columns

# The runs that are locked together. Consumers that store events of these runs wait until the transaction has ended.
_RUNS_PER_TRANSACTION: Final = 50
# The kinds of differences that new columns remove, or that are not errors of a run. Any other kind means that the
# events are damaged, and so would be the columns that are computed from them.
_REPAIRED: Final = frozenset({"projection", "beyond_count", "split_run"})


class Options(NamedTuple):
    """How to rebuild.

    Attributes:
        dry_run: find the changes; lock and change nothing.
        lower_counts: also lower an event_count. Otherwise a run with fewer events than its event_count is left as it
            is, because its last events may have been deleted.
    """

    dry_run: bool = False
    lower_counts: bool = False


class Change(NamedTuple):
    """A column of a run that differs from the fold of its events."""

    run: str
    column: str
    stored: object
    expected: object


class Rebuilt(NamedTuple):
    """The result for some runs.

    Attributes:
        changes: the changed columns; in a dry run, those that would be changed.
        refused: why other runs were left as they are.
        events: the number of events of the runs.
        done_up_to: all runs up to this id are done; None if that is not known after this page.
    """

    changes: list[Change]
    refused: list[Difference]
    runs: int = 0
    events: int = 0
    done_up_to: str | None = None


async def rebuild_runs(sessions: Sequence[Session], selection: Selection, options: Options) -> AsyncIterator[Rebuilt]:
    """Fold the events of runs again, and repair the rows that differ.

    Runs are read and folded without a lock. Those that differ are locked, the events stored meanwhile are folded too,
    and the rows are updated. So even a run with a million events is locked for milliseconds.

    Args:
        sessions: are used at the same time. The first one writes.
        selection: which runs to rebuild.
        options: see `Options`.

    Raises:
        GaveUp: PostgreSQL stayed unavailable.
    """
    rebuild, pace = _Rebuild(sessions[0], options), Pace(sessions[0])
    without_events: list[str] = []
    async for runs, done_up_to in read_pages(sessions[1:], selection):
        without_events += [run.row["id"] for run in runs if run.row["event_count"] == 0]
        changes, refused = await rebuild.repair([run for run in runs if run.row["event_count"] > 0])
        yield Rebuilt(changes, refused, len(runs), sum(run.fold.event_count for run in runs), done_up_to)
        if done_up_to is not None:
            # Their times are copied from the rows of their children, which are repaired now.
            yield Rebuilt(*await rebuild.repair(await read_runs(sessions[0], without_events)))
            without_events = []
        await pace.pause()


class _Rebuild:
    def __init__(self, session: Session, options: Options) -> None:
        self._session = session
        self._options = options
        self._checker = RunChecker(session)

    async def repair(self, runs: Sequence[ReadRun]) -> tuple[list[Change], list[Difference]]:
        """Repair those of the runs that differ. Returns the changes, and why other runs were left as they are."""
        suspects = [run.row["id"] for run in runs if await self._checker.differences(run)]
        if not suspects:
            return [], []
        # A second time, because a run may have been deleted between two queries of the first time; and with the events
        # beyond an event_count that is too small.
        differing = await fold_rest(self._session, await read_runs(self._session, suspects))
        changes: list[Change] = []
        refused: list[Difference] = []
        repairable: list[ReadRun] = []
        for run in differing:
            problems = [each for each in await self._checker.differences(run) if each.kind not in _REPAIRED]
            refused += problems
            if not problems:
                repairable.append(run)
        for start in range(0, len(repairable), _RUNS_PER_TRANSACTION):
            some = repairable[start : start + _RUNS_PER_TRANSACTION]
            changed, left = await self._session.run(partial(self._repair, runs=some))
            changes += changed
            refused += left
        return changes, refused

    async def _repair(self, store: Store, runs: Sequence[ReadRun]) -> tuple[list[Change], list[Difference]]:
        """Repair runs in one transaction.

        1. Lock the runs, in the order of their ids as ingest does.
        2. Read their rows, and fold the events that are not folded yet.
        3. Update the rows that differ.
        """
        if self._options.dry_run:
            expected, refused = await self._expected(store, runs)
            return _changes(runs, expected), refused
        async with store.transaction():
            await store.fetch("lock_runs_to_rebuild", [run.row["id"] for run in runs])  # 1
            expected, refused = await self._expected(store, runs)  # 2
            changes = _changes(runs, expected)
            changed = {change.run for change in changes}
            rows = [(run_id, *_parameters(columns)) for run_id, columns in expected.items() if run_id in changed]
            if rows:
                await store.fetch("rebuild_runs", *map(list, zip(*rows, strict=True)))  # 3
        return changes, refused

    async def _expected(
        self, store: Store, runs: Sequence[ReadRun]
    ) -> tuple[dict[str, dict[str, Any]], list[Difference]]:
        """Return the expected columns of the runs that may be repaired, by id, and why the others may not."""
        expected: dict[str, dict[str, Any]] = {}
        refused: list[Difference] = []
        for run in await fold_rest(store, runs):
            if refusal := self._refusal(run):
                refused.append(refusal)
            else:
                expected[run.row["id"]] = await expected_columns(store, run)
        return expected, refused

    def _refusal(self, run: ReadRun) -> Difference | None:
        run_id, stored, found = run.row["id"], run.row["event_count"], run.fold.event_count
        if run.gaps:
            return Difference("sequence_gap", run_id, f"event_seq {run.gaps[0][0]}, expected {run.gaps[0][1]}")
        if found < stored and not self._options.lower_counts:
            return Difference("fewer_events", run_id, f"event_count is {stored}, but {found} events are stored")
        return None


def _parameters(columns: Mapping[str, Any]) -> list[Any]:
    return [msgspec.json.encode(value) if column in JSON_COLUMNS else value for column, value in columns.items()]


def _changes(runs: Sequence[ReadRun], expected: Mapping[str, Mapping[str, Any]]) -> list[Change]:
    return [
        Change(run.row["id"], column, run.row[column], value)
        for run in runs
        for column, value in expected.get(run.row["id"], {}).items()
        if run.row[column] != value
    ]
