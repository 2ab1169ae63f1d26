"""Reads the status of all partitions of the topic, whichever consumer owns them."""

import time
from collections.abc import Mapping, Sequence

from consumer.errors import Unavailable
from consumer.kafka.group_members import GroupMembers
from consumer.kafka.log_watch import LogEnds, LogWatch
from consumer.model.members import Member
from consumer.model.topic_status import OpenTransaction, TopicStatus, WatchedPartition
from consumer.partitions.record_times import Position, RecordTimes
from consumer.postgres.session import Session
from consumer.postgres.store import Row
from consumer.settings import TopicConfig


class TopicStatusReader:
    """Reads from PostgreSQL and Kafka. For one task at a time.

    A reading costs one query, a request to the group's coordinator, and four to the leaders of the partitions. In
    addition it requests the producer of each transaction that has been open for `open_transaction_s`.
    """

    def __init__(self, config: TopicConfig, session: Session, log: LogWatch, members: GroupMembers) -> None:
        self._session = session
        self._topic = config
        self._log = log
        self._members = members
        self._times = RecordTimes(self._log)
        self._transactions: dict[int, OpenTransaction] = {}  # by partition

    async def read(self) -> TopicStatus:
        """Return the status of all partitions that have a leader.

        Raises:
            Unavailable: Kafka does not answer.
            StoreError: PostgreSQL does not answer.
        """
        # The offsets are read before the ends: both only grow, and the end must not be before the offset.
        rows = await self._session.fetch("watch_topic", self._topic.topic)
        ends = await self._log.ends()
        owners = await self._owners()
        positions = _positions(rows, ends)
        behind = {number: each for number, each in positions.items() if each.next_offset < ends[number].end_offset}
        times = await self._times.of_next_records(behind)
        partitions = []
        for number, (next_offset, _) in sorted(positions.items()):
            oldest_ms, owner = times.get(number), (owners or {}).get(number)
            transaction = await self._transaction(number, ends[number], next_offset, oldest_ms)
            end_offset = ends[number].end_offset
            partitions.append(WatchedPartition(number, next_offset, end_offset, oldest_ms, owner, transaction))
        return TopicStatus(
            read_ms=_now_ms(),
            partitions=tuple(partitions),
            owners_known=owners is not None,
            open_dead_letters=rows[0]["open_dead_letters"],
            oldest_dead_letter_s=rows[0]["oldest_dead_letter_s"],
        )

    async def _owners(self) -> Mapping[int, Member] | None:
        """Return the owners of the partitions; None while they are not known."""
        try:
            members = await self._members.read()
        except Unavailable:
            return None  # perhaps this login may not describe the group
        if members is None:
            return None
        return {partition: member for member in members for partition in member.partitions}

    async def _transaction(
        self, partition: int, ends: LogEnds, next_offset: int, oldest_ms: int | None
    ) -> OpenTransaction | None:
        """Return the transaction that blocks a partition; None if there is none."""
        if ends.stable_offset >= ends.end_offset:
            return None
        begin = ends.stable_offset
        transaction = self._transactions.get(partition)
        if transaction is None or transaction.start_offset != begin or transaction.begun_ms is None:
            begun_ms = oldest_ms if begin == next_offset else await self._times.at(partition, begin)
            transaction = OpenTransaction(begin, begun_ms=begun_ms)
        if transaction.producer_id is None and _age_s(transaction) >= self._topic.open_transaction_s:
            transaction = await self._with_producer(partition, transaction)
        self._transactions[partition] = transaction
        return transaction

    async def _with_producer(self, partition: int, transaction: OpenTransaction) -> OpenTransaction:
        try:
            found = await self._log.open_transaction(partition)
        except Unavailable:
            return transaction  # the broker is too old, or does not answer now
        if found is None or found.start_offset != transaction.start_offset:
            return transaction
        return found._replace(begun_ms=transaction.begun_ms)


def _positions(rows: Sequence[Row], ends: Mapping[int, LogEnds]) -> dict[int, Position]:
    """Return how far each partition is stored. The log may begin behind the stored offset."""
    stored = {row["partition"]: row for row in rows}
    positions: dict[int, Position] = {}
    for number, (start_offset, _, _) in ends.items():
        row = stored.get(number)
        if row is None or row["next_offset"] < start_offset:
            positions[number] = Position(start_offset, None)
        else:
            positions[number] = Position(row["next_offset"], row["last_timestamp"])
    return positions


def _age_s(transaction: OpenTransaction) -> float:
    return (_now_ms() - transaction.begun_ms) / 1000 if transaction.begun_ms is not None else 0.0


def _now_ms() -> int:
    return int(time.time() * 1000)
