"""Reads the status of all partitions of the topic, whichever consumer owns them."""

import time
from collections.abc import Mapping

from consumer.errors import Unavailable
from consumer.kafka.group_members import GroupMembers
from consumer.kafka.log_watch import LogEnds, LogWatch
from consumer.model.members import Member
from consumer.model.topic_status import OpenTransaction, TopicStatus, WatchedPartition
from consumer.postgres.session import Session
from consumer.settings import Config


class TopicStatusReader:
    """Reads from PostgreSQL and Kafka, with connections of its own to Kafka. For one task at a time.

    A reading costs one query, a request to the group's coordinator, and three to the leaders of the partitions. In
    addition it fetches one batch of each partition with a lag whose stored offset has moved since the last reading,
    and requests the producer of each transaction that has been open for `open_transaction_s`.
    """

    def __init__(self, config: Config, session: Session) -> None:
        self._session = session
        self._topic = config.topic
        self._log = LogWatch(config.kafka, config.topic.topic)
        self._members = GroupMembers(config.kafka, config.topic)
        # By partition: the offset and its time, and the transaction; not read again while the offset is the same.
        self._times: dict[int, tuple[int, int]] = {}
        self._transactions: dict[int, OpenTransaction] = {}
        self._fetches_are_answered = True

    async def read(self) -> TopicStatus:
        """Return the status of all partitions that have a leader.

        Raises:
            Unavailable: Kafka does not answer.
            StoreError: PostgreSQL does not answer.
        """
        self._fetches_are_answered = True
        # The offsets are read before the ends: both only grow, and the end must not be before the offset.
        rows = await self._session.fetch("watch_topic", self._topic.topic)
        stored = {row["partition"]: row["next_offset"] for row in rows if row["partition"] is not None}
        ends = await self._log.ends()
        owners = await self._owners()
        partitions = [
            await self._partition(partition, each, stored.get(partition, 0), (owners or {}).get(partition))
            for partition, each in sorted(ends.items())
        ]
        return TopicStatus(
            read_ms=_now_ms(),
            partitions=tuple(partitions),
            owners_known=owners is not None,
            open_dead_letters=rows[0]["open_dead_letters"],
            oldest_dead_letter_s=rows[0]["oldest_dead_letter_s"],
        )

    async def close(self) -> None:
        """Disconnect from Kafka."""
        await self._log.close()
        await self._members.close()

    async def _owners(self) -> Mapping[int, Member] | None:
        """Return the owners of the partitions; None while they are not known."""
        try:
            members = await self._members.read()
        except Unavailable:
            return None  # perhaps this login may not describe the group
        if members is None:
            return None
        return {partition: member for member in members for partition in member.partitions}

    async def _partition(self, partition: int, ends: LogEnds, stored: int, owner: Member | None) -> WatchedPartition:
        next_offset = max(stored, ends.start_offset)
        oldest_ms = await self._time_at(partition, next_offset) if next_offset < ends.end_offset else None
        transaction = None
        if ends.stable_offset < ends.end_offset:
            transaction = await self._transaction(partition, ends.stable_offset)
        return WatchedPartition(partition, next_offset, ends.end_offset, oldest_ms, owner, transaction)

    async def _time_at(self, partition: int, offset: int) -> int | None:
        known_offset, time_ms = self._times.get(partition, (None, 0))
        if known_offset == offset:
            return time_ms
        found_ms = await self._written_at(partition, offset)
        if found_ms is not None:
            self._times[partition] = offset, found_ms
        return found_ms

    async def _written_at(self, partition: int, offset: int) -> int | None:
        """Return when the record was written; None also if a fetch of this reading was not answered in time.

        A quota may delay fetches. The offsets are useful without the times.
        """
        if not self._fetches_are_answered:
            return None
        try:
            return await self._log.written_at(partition, offset)
        except Unavailable:
            self._fetches_are_answered = False
            return None

    async def _transaction(self, partition: int, start_offset: int) -> OpenTransaction:
        transaction = self._transactions.get(partition)
        if transaction is None or transaction.start_offset != start_offset or transaction.begun_ms is None:
            transaction = OpenTransaction(start_offset, begun_ms=await self._written_at(partition, start_offset))
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


def _age_s(transaction: OpenTransaction) -> float:
    return (_now_ms() - transaction.begun_ms) / 1000 if transaction.begun_ms is not None else 0.0


def _now_ms() -> int:
    return int(time.time() * 1000)
