"""Compares every run with the fold of its events."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from agent_runs.codec.decode import Envelope, UnknownEnvelope, read_envelope
from agent_runs.errors import UnreadableEvent
from agent_runs.status import RunStatus
from consumer.ingest.sequencing import Head, advance
from consumer.model.records import Event
from consumer.postgres.session import Session
from consumer.postgres.store import Row

_RUNS_PER_PAGE: Final = 500
_EVENTS_PER_PAGE: Final = 2000


class Difference(NamedTuple):
    """One difference that verify found.

    Attributes:
        kind: a stable name for the kind of difference.
        where: the run, or the partition and offset.
        detail: what was found and what was expected.
    """

    kind: str
    where: str
    detail: str


class _StoredRecord(msgspec.Struct, gc=False):
    """The record of a stored event, without what its row in run_events does not hold: key, value and headers."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()


async def verify_runs(session: Session) -> AsyncIterator[Difference]:
    """Compare every run with the fold of its events: the sequence numbers, and every column that the fold determines.

    Reads page by page and not in one snapshot, which would keep VACUUM from removing old rows. Ignores events that were
    stored after a run's row was read: their numbers are not below the row's event_count.

    Raises:
        GaveUp: PostgreSQL stayed unavailable.
    """
    last_id = ""
    while runs := await session.fetch("runs_page", last_id, _RUNS_PER_PAGE):
        last_id = runs[-1]["id"]
        heads = {run["id"]: Head(run_id=run["id"]) for run in runs}
        counts = {run["id"]: run["event_count"] for run in runs}
        partitions: dict[str, set[int]] = {}
        async for row in _events(session, list(heads)):
            head = heads[row["run_id"]]
            if row["event_seq"] >= counts[head.run_id]:
                continue  # stored after the run's row was read
            partitions.setdefault(head.run_id, set()).add(row["source_partition"])
            for difference in _advance(head, row):
                yield difference
        for run in runs:
            for difference in _compare(run, heads[run["id"]]):
                yield difference
            if len(partitions.get(run["id"], ())) > 1:
                yield Difference("split_run", run["id"], f"has events from partitions {sorted(partitions[run['id']])}")


async def _events(session: Session, run_ids: Sequence[str]) -> AsyncIterator[Row]:
    last = ("", -1)
    while rows := await session.fetch("events_page", run_ids, *last, _EVENTS_PER_PAGE):
        for row in rows:
            yield row
        last = rows[-1]["run_id"], rows[-1]["event_seq"]


def _advance(head: Head, row: Mapping[str, Any]) -> Iterator[Difference]:
    """Fold one stored event into the head of its run. Yields what is wrong with its row."""
    try:
        envelope: Envelope | UnknownEnvelope = read_envelope(row["event_data"])
    except UnreadableEvent as error:
        yield Difference("unreadable_event", f"{head.run_id} {row['event_seq']}", str(error))
        return
    record = _StoredRecord(row["source_partition"], row["source_offset"], row["created_at"])
    seq = advance(head, Event(head.run_id, envelope, b"", None, record))
    if seq != row["event_seq"]:
        yield Difference("sequence_gap", head.run_id, f"event_seq {row['event_seq']}, expected {seq}")
        head.event_count = row["event_seq"] + 1
    if envelope.id != row["id"]:
        yield Difference("other_id", f"{head.run_id} {seq}", f"column {row['id']!r}, message {envelope.id!r}")


def _compare(run: Mapping[str, Any], head: Head) -> Iterator[Difference]:
    """Yield the columns of a run that differ from the fold. A parent_run_id is NULL if the parent was deleted."""
    named_at = run["named_at"] if head.event_count == 0 else None
    expected = {
        "event_count": head.event_count,
        "status": head.status if head.event_count else RunStatus.RUNNING,
        "created_at": head.created_at or named_at,
        "updated_at": head.updated_at or named_at,
        "status_changed_at": head.status_changed_at or named_at,
        "dropped_events": head.dropped_events,
        "started_at": head.started_at,
        "agent_id": head.agent_id or "unknown",
        "session_id": head.session_id,
        "parent_run_id": head.parent_run_id,
    }
    for column, value in expected.items():
        if run[column] != value and not (column == "parent_run_id" and run[column] is None):
            yield Difference(
                "projection", run["id"], f"{column} is {run[column]!r}, expected from its events: {value!r}"
            )
