"""The way of a record: fetch, decode, write, report."""

import asyncio
from typing import Final

from consumer.config import Config
from consumer.ingest.decoding import decode
from consumer.kafka.group_consumer import Fetched, GroupConsumer
from consumer.lanes.lanes import Lanes
from consumer.model.batches import Slice
from consumer.telemetry.observer import Observer

# The heartbeat of the group and the lanes share the event loop: they must get their turns between two large fetches.
_BREATH: Final = 0
_RECORDS_A_TIME: Final = 2000  # some 6 ms of work, and by how much a lane may have more than it has room for


async def run(source: GroupConsumer, lanes: Lanes, observer: Observer, config: Config) -> None:
    """Carry records from the log into the tables, until cancelled.

    Raises:
        KafkaClientBroken: the Kafka client must be made anew.
    """
    while True:
        fetched = await source.fetch(lanes.has_room, min(_RECORDS_A_TIME, config.ingest.batch_records))
        for piece in fetched:
            lanes.submit(_judge(piece, config.topic.max_event_bytes))
            await asyncio.sleep(_BREATH)
        source.advise()
        observer.beat(source.claims)


def _judge(fetched: Fetched, max_event_bytes: int) -> Slice:
    judged = [decode(record, max_event_bytes) for record in fetched.records]
    return Slice.of(fetched.claim, fetched.begins, fetched.ends, judged)
