"""The statements of one ingest transaction, typed; `ingest.py` says in which order and why."""

from base64 import b64encode
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from agent_runs.status import RunStatus
from consumer.errors import StaleOffsets
from consumer.ingest.sequencing import Head
from consumer.model.batches import Batch
from consumer.model.records import Event, Rejection, storable_text, storable_timestamp
from consumer.postgres.copy_format import encode_events
from consumer.postgres.store import Store

# A question with a whole batch in it would be in our memory three times, and on PostgreSQL's disk.
_QUESTION_BYTES: Final = 2 * 1024 * 1024
_encode: Final = msgspec.json.Encoder().encode


class Transaction:
    """What can be said to PostgreSQL between BEGIN and COMMIT."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._topic = store.topic

    async def move_offsets(self, batch: Batch) -> None:
        """Move the offsets from where each slice begins to where it ends.

        Raises:
            StaleOffsets: at least one does not stand where its slice begins.
        """
        columns = _columns(
            (s.claim.partition, s.start_offset, s.end_offset, *(s.fingerprint or (None, None))) for s in batch
        )
        moved = await self._store.fetch("move_offsets", self._topic, *columns)
        if len(moved) < len(batch):
            raise StaleOffsets("the offsets in the database are not where this batch begins")

    async def look_up(self, events: Sequence[Event]) -> dict[int, bool]:
        """Which of the events have an id that is stored, by place in the sequence; and whether it has their content."""
        found: dict[int, bool] = {}
        for portion in _portions(events):
            columns = _columns((e.run_id, e.envelope.id, e.value, e.raw) for e in events[portion])
            rows = await self._store.fetch("look_up", *columns)
            found |= {portion.start + row["position"] - 1: row["same"] for row in rows}
        return found

    async def same_values(self, pairs: Sequence[tuple[Event, Event]]) -> list[Event]:
        """The first of each pair whose values are equal as JSONB."""
        rows = await self._store.fetch("same_values", *_columns((one.value, other.value) for one, other in pairs))
        return [pairs[row["position"] - 1][0] for row in rows]

    async def started_runs(self, run_ids: Sequence[str]) -> set[str]:
        """Which of the runs have a `run_started` that counts."""
        return {row["id"] for row in await self._store.fetch("started_runs", run_ids)}

    async def insert_runs(self, first_seen: Mapping[str, int]) -> None:
        """Make the runs that are missing, each with the time that made it known."""
        ids = sorted(first_seen)  # by code points, which is the order of COLLATE "C"
        await self._store.fetch("insert_runs", ids, [first_seen[run_id] for run_id in ids])

    async def lock_runs(self, run_ids: Iterable[str], parents: Mapping[str, int]) -> dict[str, Head]:
        """Lock the runs; bring parents without events to the earlier time given. Returns the heads of the runs."""
        wanted: list[tuple[str, int | None]] = [(run_id, None) for run_id in run_ids]
        rows = await self._store.fetch("lock_runs", *_columns([*wanted, *parents.items()]))
        stubs = [(row["id"], row["lower_to"]) for row in rows if row["lower_to"] is not None]
        if stubs:
            await self._store.fetch("lower_stubs", *_columns(stubs))
        return {row["id"]: _head(row) for row in rows if row["lower_to"] is None}

    async def insert_events(self, numbered: Iterable[tuple[Event, int]]) -> None:
        """Insert the events under their sequence numbers.

        Raises:
            RepeatedIds: one of them is stored already, or twice among them.
            DataRefused: JSONB cannot hold one of them.
        """
        # Piece by piece: PostgreSQL stores the first while we make the next, and a batch is never in memory twice.
        await self._store.copy_events(self._pieces(numbered))

    async def _pieces(self, numbered: Iterable[tuple[Event, int]]) -> AsyncIterator[bytes]:
        for piece in encode_events(numbered):
            yield piece

    async def update_runs(self, heads: Iterable[Head]) -> None:
        """Write back the heads."""
        columns = _columns(
            (
                head.run_id,
                head.status,
                head.event_count,
                head.updated_at,
                head.created_at,
                head.status_changed_at,
                head.dropped_events,
                head.started_at,
                head.agent_id,
                head.session_id,
                head.parent_run_id,
            )
            for head in heads
        )
        await self._store.fetch("update_runs", *columns)

    async def insert_dead_letters(self, letters: Sequence[Rejection]) -> list[Rejection]:
        """Insert the letters that are not there yet, and return them."""
        rows = await self._store.fetch("insert_dead_letters", self._topic, *_columns(map(_letter_row, letters)))
        new = {(row["partition"], row["record_offset"]) for row in rows}
        return [letter for letter in letters if (letter.record.partition, letter.record.offset) in new]

    async def count_repeats(self, repeats: Mapping[int, int]) -> None:
        """Count repeats, by partition."""
        await self._store.fetch("count_repeats", self._topic, *_columns(repeats.items()))


def _portions(events: Sequence[Event]) -> Iterator[slice]:
    """The events in portions of about `_QUESTION_BYTES`."""
    start = size = 0
    for place, event in enumerate(events):
        size += len(event.value)
        if size > _QUESTION_BYTES:
            yield slice(start, place + 1)
            start, size = place + 1, 0
    if start < len(events):
        yield slice(start, len(events))


def _columns(rows: Iterable[tuple[object, ...]]) -> list[list[object]]:
    """Rows as the arrays that `unnest` takes; there must be at least one row."""
    return [list(column) for column in zip(*rows, strict=True)]


def _head(row: Mapping[str, object]) -> Head:
    return Head(
        run_id=str(row["id"]),
        status=RunStatus(str(row["status"])),
        event_count=int(str(row["event_count"])),
        started=bool(row["started"]),
    )


def _letter_row(letter: Rejection) -> tuple[object, ...]:
    record = letter.record
    headers = [
        [storable_text(name), None if value is None else b64encode(value).decode()] for name, value in record.headers
    ]
    return (
        record.partition,
        record.offset,
        storable_timestamp(record.timestamp),
        record.key,
        record.value,
        _encode(headers),
        letter.reason,
        storable_text(letter.detail),
    )
