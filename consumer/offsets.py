"""Where consumption stands; and an operator's word that it may go on after records were lost."""

from typing import NamedTuple

from agent_runs.settings import KafkaSettings
from consumer.config import TopicConfig
from consumer.errors import UsageError
from consumer.log import Bounds, Log
from consumer.ownership import lost_offsets
from consumer.store import Offsets, Store
from consumer.topic import check_topic


class Standing(NamedTuple):
    """One partition: in the log, in the tables (None: never seen), and what is wrong between them (None: nothing)."""

    partition: int
    bounds: Bounds
    stored: Offsets | None
    problem: str | None


async def show_offsets(kafka: KafkaSettings, config: TopicConfig, store: Store) -> list[Standing]:
    """Where each partition of the topic stands."""
    partitions = await check_topic(kafka, config)
    log = await Log.open(kafka, config.topic)
    try:
        offsets = await store.offsets()
        bounds = await log.bounds(partitions)  # in this order: the log only grows
        return [await _standing(number, bounds[number], offsets.get(number), log) for number in partitions]
    finally:
        await log.close()


async def _standing(partition: int, bounds: Bounds, stored: Offsets | None, log: Log) -> Standing:
    problem = await lost_offsets(stored, bounds, log) if stored else None
    return Standing(partition, bounds, stored, problem)


async def accept_loss(kafka: KafkaSettings, config: TopicConfig, store: Store, partition: int, by: str) -> Standing:
    """Let a halted partition go on from where its log begins, and write down who said so.

    Raises:
        UsageError: the partition is not one that lost anything.
    """
    standings = {standing.partition: standing for standing in await show_offsets(kafka, config, store)}
    standing = standings.get(partition)
    if standing is None:
        raise UsageError(f"topic {config.topic!r} has no partition {partition}")
    if standing.stored is None or standing.problem is None:
        raise UsageError(f"partition {partition} has lost nothing: `offsets show` says where it stands")
    moved = await store.fetch(
        "accept_loss",
        config.topic,
        partition,
        standing.stored.next_offset,
        standing.bounds.begins,
        standing.problem,
        by,
    )
    if not moved:
        raise UsageError(f"partition {partition} has moved in this moment: look again with `offsets show`")
    return standing
