"""The `offsets` commands: the status of each partition, and the acceptance of lost records."""

from typing import NamedTuple

from agent_runs.kafka.decompression import decompression_limit
from consumer.errors import UsageError
from consumer.kafka.group_members import GroupMembers
from consumer.kafka.log_watch import LogWatch
from consumer.kafka.topic_admin import check_topic
from consumer.kafka.topic_reader import Bounds, TopicReader
from consumer.model.topic_status import TopicStatus, WatchedPartition
from consumer.partitions.circuit_breaker import tripped_partitions
from consumer.partitions.lost_offsets import lost_offsets
from consumer.partitions.topic_status import TopicStatusReader
from consumer.postgres.session import Session
from consumer.postgres.store import Offsets, Store
from consumer.settings import Config


class PartitionStatus(NamedTuple):
    """The status of one partition.

    Attributes:
        bounds: the bounds of the partition's log.
        stored: the partition's row in `consumer_offsets`; None if no consumer has started the partition yet.
        lost: why the log no longer holds the records after the stored offset; None if it does.
        tripped: why the circuit breaker halts the partition; None if it does not.
        stalled: since when, and where to look for the cause, if the log has records to store and the stored offset does
            not move; None if it does, or if one of the above is the cause.
        watched: its lag, its owner and an open transaction; None if that was not read, or it has no leader.
    """

    partition: int
    bounds: Bounds
    stored: Offsets | None
    lost: str | None
    tripped: str | None = None
    stalled: str | None = None
    watched: WatchedPartition | None = None


class OffsetsReport(NamedTuple):
    """The status of each partition, and what is known about the whole topic."""

    partitions: list[PartitionStatus]
    topic: TopicStatus


async def show_offsets(config: Config, session: Session) -> OffsetsReport:
    """Return the status of each partition of the topic.

    Raises:
        Unavailable: Kafka does not answer.
        StoreError: PostgreSQL does not answer.
    """
    kafka, give_up_s = config.kafka, config.service.give_up_s
    statuses = await _statuses(config, session)
    stored = [status.stored for status in statuses if status.stored]
    problems = await session.run(lambda store: tripped_partitions(store, config.ingest, stored))
    log = LogWatch(kafka, config.topic.topic, give_up_s)
    members = GroupMembers(kafka, config.topic, give_up_s)
    try:
        topic = await TopicStatusReader(config.topic, session, log, members).read()
    finally:
        await log.close()
        await members.close()
    watched = {each.partition: each for each in topic.partitions}
    statuses = [
        each._replace(tripped=problems.get(each.partition), watched=watched.get(each.partition)) for each in statuses
    ]
    return OffsetsReport([each._replace(stalled=_stalled(each, topic, config)) for each in statuses], topic)


def _stalled(status: PartitionStatus, topic: TopicStatus, config: Config) -> str | None:
    """Return why a partition seems to stand still; None if it does not.

    The tables do not have the reason of a halt; the log of the partition's owner has it. They have the time when
    its stored offset last moved.
    """
    stored, watched = status.stored, status.watched
    next_offset = stored.next_offset if stored else status.bounds.start_offset
    if status.lost or status.tripped or watched is None or next_offset >= status.bounds.end_offset:
        return None
    since_ms = [stored.updated_at] if stored else []
    since_ms += [watched.oldest_ms] if watched.oldest_ms is not None else []
    still_s = (topic.read_ms - max(since_ms)) / 1000 if since_ms else 0.0
    if still_s < config.topic.stall_s:
        return None
    found = f"the log has records from offset {next_offset} on, and none was stored for {still_s:.0f} s"
    if watched.owner:
        return (
            f"{found}: /healthz and the log of its owner, {watched.owner.member_id} at {watched.owner.host}, have why"
        )
    return f"{found}: no consumer owns it; start consumers" if topic.owners_known else found


async def accept_loss(config: Config, session: Session, partition: int, by: str) -> PartitionStatus:
    """Move the stored offset of a partition that lost records to the start of its log, and record who decided it.

    Args:
        config: how to reach the brokers, and the topic.
        session: the login must have the rights of `agent_runs_consumer`.
        partition: the partition to move.
        by: who accepts the loss, and optionally why; stored in `accepted_losses`.

    Returns:
        The status before the move.

    Raises:
        UsageError: the partition does not exist, has lost nothing, or was moved by another process meanwhile.
    """
    topic = config.topic.topic
    statuses = {status.partition: status for status in await _statuses(config, session)}
    status = statuses.get(partition)
    if status is None:
        raise UsageError(f"topic {topic!r} has no partition {partition}")
    if status.stored is None or status.lost is None:
        raise UsageError(f"partition {partition} has lost nothing; `offsets show` shows its status")
    row = (topic, partition, status.stored.next_offset, status.bounds.start_offset, status.lost, by)
    (before,) = await session.fetch("last_accepted_loss", *row[:2])
    # The session repeats a statement whose answer was lost. If it was executed, the repetition finds the offset moved.
    accepted = await session.fetch("accept_loss", *row) or await session.fetch("accepted_loss", *row, before["id"])
    if not accepted:
        raise UsageError(
            f"the stored offset of partition {partition} has changed meanwhile; check it with `offsets show`"
        )
    return status


async def _statuses(config: Config, session: Session) -> list[PartitionStatus]:
    """Return the statuses, without `tripped` and `watched`."""
    kafka, topic, give_up_s = config.kafka, config.topic, config.service.give_up_s
    partitions = await check_topic(kafka, topic, timeout_s=give_up_s)
    decompression_limit.set(topic.decompression_limit)
    topic_reader = await TopicReader.open(kafka, topic.topic, timeout_s=give_up_s)
    try:
        offsets = await session.run(Store.offsets)
        bounds = await topic_reader.bounds(partitions)  # after the offsets: records may be stored in between
        return [await _status(number, bounds[number], offsets.get(number), topic_reader) for number in partitions]
    finally:
        await topic_reader.close()


async def _status(partition: int, bounds: Bounds, stored: Offsets | None, topic_reader: TopicReader) -> PartitionStatus:
    lost = await lost_offsets(stored, bounds, topic_reader) if stored else None
    return PartitionStatus(partition, bounds, stored, lost)
