"""The rows of the four tables, with the columns that the contract names. Other columns may be added or removed.

Times are exact numbers of milliseconds since 1970, as in Kafka. Python's `datetime` ends with the year 9999, but the
timestamp of a record, and a `timestamptz`, may be later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

Milliseconds: TypeAlias = "int | Decimal"


@dataclass(frozen=True)
class RunRow:
    id: str
    parent_run_id: str | None
    agent_id: str
    session_id: str | None
    status: str
    created_at: Milliseconds
    updated_at: Milliseconds
    event_count: int
    status_changed_at: Milliseconds
    dropped_events: int
    completed_by_tool: bool = False
    open_questions: str = "[]"  # this column and the next two: JSONB as PostgreSQL's text
    answered_questions: str = "[]"
    labels: str = "{}"


@dataclass(frozen=True)
class EventRow:
    id: str
    run_id: str
    parent_event_id: str | None
    event_seq: int
    event_type: str
    event_data: str  # the JSONB column as PostgreSQL's text
    created_at: Milliseconds
    source_partition: int
    source_offset: int
    raw: bytes | None
    written_by: int | None = None  # the transaction; only where the offsets are audited


@dataclass(frozen=True)
class OffsetRow:
    topic: str
    partition: int
    first_offset: int
    next_offset: int
    last_offset: int | None
    last_timestamp: Milliseconds | None
    repeats: int


@dataclass(frozen=True)
class DeadLetterRow:
    topic: str
    partition: int
    record_offset: int
    record_timestamp: Milliseconds | None  # null outside the years 1 to 9999
    key: bytes | None
    value: bytes | None
    headers: str  # JSONB: an array of [name, base64 or null]
    reason: str
    state: str
    retries: int
    offset_count: int = 1
    written_by: int | None = None  # the transaction that wrote the row last; only where the offsets are audited


@dataclass(frozen=True)
class MoveRow:
    """A move of a stored offset, from the audit. `from_offset` is None for the insert of a partition's row."""

    number: int  # in the order of each partition's commits
    written_by: int
    partition: int
    from_offset: int | None
    to_offset: int


@dataclass(frozen=True)
class LossRow:
    """A loss that an operator accepted: the records from `next_offset` to before `resumed_at`."""

    partition: int
    next_offset: int
    resumed_at: int


@dataclass(frozen=True)
class Tables:
    """One snapshot of the service's tables: all rows, or those that are new since the previous snapshot.

    Attributes:
        moves: None where the offsets are not audited.
    """

    runs: Sequence[RunRow]
    events: Sequence[EventRow]
    offsets: Sequence[OffsetRow]
    dead_letters: Sequence[DeadLetterRow]
    moves: Sequence[MoveRow] | None = None
    losses: Sequence[LossRow] = ()
