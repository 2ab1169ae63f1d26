"""How far the consumers have stored each partition, and how many dead letters are open."""

from datetime import datetime
from typing import Final

import msgspec

MAX_COUNTED_LETTERS: Final = 10_000


class PartitionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How far a partition is stored.

    Attributes:
        topic: the topic.
        partition: the partition.
        next_offset: the offset after the last record that is stored.
        last_record_at: the timestamp of that record; None if there is none.
        stored_at: when it was stored, by PostgreSQL's clock.
    """

    topic: str
    partition: int
    next_offset: int
    last_record_at: datetime | None
    stored_at: datetime


class StoreStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of the consumers.

    Attributes:
        partitions: those of every topic that was consumed into this database, in order.
        open_dead_letters: how many refused records wait for an operator; 10,001 stands for more than 10,000.
    """

    partitions: list[PartitionStatus]
    open_dead_letters: int
