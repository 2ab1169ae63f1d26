"""Where consumption stands; and an operator's word that it may go on after records were lost."""

from typing import NamedTuple

from agent_runs.settings import KafkaSettings
from consumer.config import Config, TopicConfig
from consumer.errors import UsageError
from consumer.kafka.topic_admin import check_topic
from consumer.kafka.topic_reader import Bounds, TopicReader
from consumer.partitions.circuit_breaker import tripped_partitions
from consumer.partitions.lost_offsets import lost_offsets
from consumer.postgres.session import Session
from consumer.postgres.store import Offsets, Store


class PartitionStatus(NamedTuple):
    """One partition: in the log, in the tables (None: never seen), and what halts it.

    Attributes:
        lost: what the log no longer holds; None if it has what comes next.
        refused: too many of its last records were, and nobody has dealt with them; None if not.
    """

    partition: int
    bounds: Bounds
    stored: Offsets | None
    lost: str | None
    refused: str | None = None


async def show_offsets(config: Config, session: Session) -> list[PartitionStatus]:
    """Where each partition of the topic stands."""
    standings = await _standings(config.kafka, config.topic, session)
    stored = [standing.stored for standing in standings if standing.stored]
    full = await session.ask(lambda store: tripped_partitions(store, config.ingest, stored))
    return [standing._replace(refused=full.get(standing.partition)) for standing in standings]


async def _standings(kafka: KafkaSettings, config: TopicConfig, session: Session) -> list[PartitionStatus]:
    partitions = await check_topic(kafka, config)
    log = await TopicReader.open(kafka, config.topic)
    try:
        offsets = await session.ask(Store.offsets)
        bounds = await log.bounds(partitions)  # in this order: the log only grows
        return [await _standing(number, bounds[number], offsets.get(number), log) for number in partitions]
    finally:
        await log.close()


async def _standing(partition: int, bounds: Bounds, stored: Offsets | None, log: TopicReader) -> PartitionStatus:
    return PartitionStatus(partition, bounds, stored, await lost_offsets(stored, bounds, log) if stored else None)


async def accept_loss(
    kafka: KafkaSettings, config: TopicConfig, session: Session, partition: int, by: str
) -> PartitionStatus:
    """Let a halted partition go on from where its log begins, and write down who said so.

    Raises:
        UsageError: the partition is not one that lost anything.
    """
    standings = {standing.partition: standing for standing in await _standings(kafka, config, session)}
    standing = standings.get(partition)
    if standing is None:
        raise UsageError(f"topic {config.topic!r} has no partition {partition}")
    if standing.stored is None or standing.lost is None:
        raise UsageError(f"partition {partition} has lost nothing: `offsets show` says where it stands")
    row = (config.topic, partition, standing.stored.next_offset, standing.bounds.start_offset, standing.lost, by)
    if not await session.fetch("accept_loss", *row):
        raise UsageError(f"partition {partition} has moved in this moment: look again with `offsets show`")
    return standing
