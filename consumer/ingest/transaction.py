"""The statements of an ingest transaction, with typed parameters. Their order is in `ingest.py`."""

from base64 import b64encode
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

import msgspec

from agent_runs.codec.records import storable_timestamp
from agent_runs.questions import Question
from agent_runs.status import FINISHED, RunState, RunStatus
from consumer.errors import StaleOffsets
from consumer.ingest.sequencing import Head
from consumer.ingest.written_rows import are_at_the_start, require_all
from consumer.model.batches import Batch, NewDeadLetter
from consumer.model.records import Event, Rejection, storable_text
from consumer.postgres.copy_format import encode_events
from consumer.postgres.store import Row, Store

# The size of the messages in one `look_up` query. With a whole batch in one query, the parameters would be in this
# process's memory three times, and PostgreSQL would write them to disk.
_LOOK_UP_BYTES: Final = 2 * 1024 * 1024
# Of one dead letter. A record may have millions of headers of two bytes each, and each takes 100 bytes in this process
# and 20 in JSONB.
_MAX_HEADERS: Final = 10_000
_encode: Final = msgspec.json.Encoder().encode
_WITHOUT_QUESTIONS: Final = {str(status): RunState(status) for status in RunStatus}
_decode_questions: Final = msgspec.json.Decoder(tuple[Question, ...]).decode


class Transaction:
    """The statements that are executed between BEGIN and COMMIT."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._topic = store.topic

    async def move_offsets(self, batch: Batch) -> None:
        """Move the offset of each slice's partition from the start of the slice to its end.

        Raises:
            StaleOffsets: the stored offset of at least one partition is not at the start of its slice.
            DataRefused: a trigger leaves a row out, or changes the offset.
        """
        columns = _columns(
            (s.claim.partition, s.start_offset, s.end_offset, *(s.fingerprint or (None, None))) for s in batch
        )
        rows = await self._store.fetch("move_offsets", self._topic, *columns)
        moved = {row["partition"]: row["next_offset"] for row in rows}
        unmoved = [slice_ for slice_ in batch if slice_.claim.partition not in moved]
        if unmoved and not are_at_the_start(unmoved, await self._store.offsets()):
            raise StaleOffsets("the stored offsets are not at the start of this batch")
        right = [slice_ for slice_ in batch if moved.get(slice_.claim.partition) == slice_.end_offset]
        require_all(len(batch), right, "consumer_offsets")

    async def look_up(self, events: Sequence[Event]) -> dict[int, bool]:
        """Look up which event ids are already stored.

        Returns:
            For the index of each event whose id is stored: whether the stored event has the same content.
        """
        found: dict[int, bool] = {}
        for chunk in _chunks(events):
            columns = _columns((e.run_id, e.envelope.id, e.value, e.raw) for e in events[chunk])
            rows = await self._store.fetch("look_up", *columns)
            found |= {chunk.start + row["position"] - 1: row["same"] for row in rows}
        return found

    async def same_values(self, pairs: Sequence[tuple[Event, Event]]) -> list[Event]:
        """Return the first event of each pair whose values are equal as JSONB."""
        rows = await self._store.fetch("same_values", *_columns((one.value, other.value) for one, other in pairs))
        return [pairs[row["position"] - 1][0] for row in rows]

    async def started_runs(self, run_ids: Sequence[str]) -> set[str]:
        """Return the ids of those runs that already have a `run_started`."""
        return {row["id"] for row in await self._store.fetch("started_runs", run_ids)}

    async def insert_runs(self, first_seen: Mapping[str, int]) -> None:
        """Insert the missing runs. `first_seen` has the timestamp of the first record that names the run, by id."""
        ids = sorted(first_seen)  # sorted by code points, the order of COLLATE "C"
        await self._store.fetch("insert_runs", ids, [first_seen[run_id] for run_id in ids])

    async def lock_runs(self, run_ids: Collection[str], parents: Mapping[str, int]) -> dict[str, Head]:
        """Lock runs and return their heads, by run id.

        `parents` has the ids of parent runs, each with the timestamp of the earliest event that names it. A parent that
        has no events and a later timestamp is locked too, and its timestamps are set to the earlier one.

        Raises:
            DataRefused: a run is missing, because a trigger has left its row out, or a policy hides it.
        """
        runs: list[tuple[str, int | None]] = [(run_id, None) for run_id in run_ids]
        rows = await self._store.fetch("lock_runs", *_columns([*runs, *parents.items()]))
        stubs = [(row["id"], row["lower_to"]) for row in rows if row["lower_to"] is not None]
        if stubs:
            require_all(len(stubs), await self._store.fetch("lower_stubs", *_columns(stubs)), "agent_runs")
        heads = {row["id"]: _head(row) for row in rows if row["lower_to"] is None}
        require_all(len(run_ids), heads, "agent_runs")
        return heads

    async def insert_events(self, numbered: Iterable[tuple[Event, int]]) -> None:
        """Insert events with their sequence numbers.

        Raises:
            RepeatedIds: the id of an event is already stored, or occurs twice among the events.
            DataRefused: JSONB cannot store an event, or a trigger leaves a row out.
        """
        rows = list(numbered)
        # In chunks: PostgreSQL stores one chunk while the next is encoded, and a batch is never encoded as a whole.
        stored = await self._store.copy_events(self._chunks(rows))
        require_all(len(rows), range(stored), "run_events")

    async def _chunks(self, numbered: Iterable[tuple[Event, int]]) -> AsyncIterator[bytes]:
        for chunk in encode_events(numbered):
            yield chunk

    async def update_runs(self, heads: Iterable[Head]) -> None:
        """Update the runs from their heads.

        Raises:
            DataRefused: a trigger leaves a row out or changes its event count, status or time, or a policy hides it.
        """
        columns = _columns(
            (
                head.run_id,
                head.state.status,
                head.event_count,
                head.updated_at,
                head.created_at,
                head.status_changed_at,
                head.dropped_events,
                head.started_at,
                head.agent_id,
                head.session_id,
                head.parent_run_id,
                _rarely_changed(head),
            )
            for head in heads
        )
        (row,) = await self._store.fetch("update_runs", *columns)
        require_all(len(columns[0]), range(row["unchanged"]), "agent_runs")

    async def insert_dead_letters(self, rejections: Sequence[Rejection]) -> list[NewDeadLetter]:
        """Insert rejections as dead letters. Returns those whose records had no dead letter before.

        Raises:
            DataRefused: a trigger leaves a row out, or changes the key of one.
        """
        columns = _columns(map(_dead_letter_row, rejections))
        rows = await self._store.fetch("insert_dead_letters", self._topic, *columns)
        if len(rows) < len(rejections):  # the other records must have a dead letter already
            present = await self._store.fetch("dead_letters_of_records", self._topic, *columns[:3])
            require_all(len(rejections), present, "dead_letters")
        ids = {(row["partition"], row["record_offset"]): row["id"] for row in rows}
        coordinates = [(each.record.partition, each.record.offset) for each in rejections]
        return [
            NewDeadLetter(ids[place], each) for place, each in zip(coordinates, rejections, strict=True) if place in ids
        ]

    async def count_repeats(self, repeats: Mapping[int, int]) -> None:
        """Add to the stored number of repeats. `repeats` has the number to add, by partition."""
        await self._store.fetch("count_repeats", self._topic, *_columns(repeats.items()))


def _chunks(events: Sequence[Event]) -> Iterator[slice]:
    """Yield slices of the events' indexes, each with messages of about `_LOOK_UP_BYTES` in total."""
    start = size = 0
    for index, event in enumerate(events):
        size += len(event.value)
        if size > _LOOK_UP_BYTES:
            yield slice(start, index + 1)
            start, size = index + 1, 0
    if start < len(events):
        yield slice(start, len(events))


def _columns(rows: Iterable[tuple[object, ...]]) -> list[list[object]]:
    """Transpose rows into the arrays that `unnest` takes. There must be at least one row."""
    return [list(column) for column in zip(*rows, strict=True)]


def _rarely_changed(head: Head) -> bytes | None:
    """Return the new values of the columns that few runs change, as a JSON object; None if the head changes none."""
    state, stored = head.state, head.stored
    if state is stored and not head.labels:  # nearly every run
        return None
    changed: dict[str, object] = {"labels": head.labels} if head.labels else {}
    if state.open_questions is not stored.open_questions:
        changed["open_questions"] = state.open_questions
    if state.answered_questions is not stored.answered_questions:
        changed["answered_questions"] = state.answered_questions
    if state.completed_by_tool is not stored.completed_by_tool:
        changed["completed_by_tool"] = state.completed_by_tool
    return _encode(changed) if changed else None


def _head(row: Row) -> Head:
    stored = _WITHOUT_QUESTIONS[row["status"]]
    opened, answered, completed_by_tool = row["open_questions"], row["answered_questions"], row["completed_by_tool"]
    if opened is not None or answered is not None or completed_by_tool:
        stored = RunState(stored.status, _questions(opened), _questions(answered), completed_by_tool)
    return Head(
        run_id=row["id"],
        state=_valid_state(stored),
        stored=stored,
        event_count=row["event_count"],
        dropped_events=row["dropped_events"],
        started=row["started"],
    )


def _valid_state(stored: RunState) -> RunState:
    """Return the state without the parts that a consumer of a version before the questions has left as they were.

    Such a consumer changes the status only. It leaves open questions in a run that it ends, and `completed_by_tool` in
    a run that it continues.
    """
    opened = () if stored.status in FINISHED else stored.open_questions
    completed_by_tool = stored.completed_by_tool and stored.status is RunStatus.COMPLETED
    if opened is stored.open_questions and completed_by_tool is stored.completed_by_tool:
        return stored
    return RunState(stored.status, opened, stored.answered_questions, completed_by_tool)


def _questions(column: bytes | None) -> tuple[Question, ...]:
    return () if column is None else _decode_questions(column)


def _dead_letter_row(rejection: Rejection) -> tuple[object, ...]:
    record = rejection.record
    headers = [
        [storable_text(name), None if value is None else b64encode(value).decode()]
        for name, value in islice(record.headers, _MAX_HEADERS)
    ]
    return (
        record.partition,
        record.offset,
        storable_timestamp(record.timestamp),
        record.key,
        record.value,
        _encode(headers),
        rejection.reason,
        storable_text(rejection.detail),
        rejection.offset_count,
        len(record.headers) - len(headers),
    )
