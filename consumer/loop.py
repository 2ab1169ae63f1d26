"""The path of a record: fetch, decode, write, report."""

import asyncio
from typing import Final

from consumer.ingest.decoding import decode
from consumer.kafka.group_consumer import Fetched, GroupConsumer
from consumer.lanes.lanes import Lanes
from consumer.model.batches import Slice
from consumer.settings import Config
from consumer.telemetry.observer import Observer

# As many are decoded in about 6 ms, and as many may be queued in a lane beyond its room.
_FETCHED_RECORDS: Final = 2000
# How long a fetch is delayed while every lane writes. What arrives meanwhile can't be written yet, and one fetch costs
# this process and the broker about a millisecond, whether it returns one record or fifty.
_MAX_FETCH_DELAY_S: Final = 0.025


async def run(group_consumer: GroupConsumer, lanes: Lanes, observer: Observer, config: Config) -> None:
    """Move records from the log to the lanes, until cancelled.

    Raises:
        KafkaClientBroken: the client must be replaced.
        UsageError: Kafka refuses a setting.
    """
    max_records = min(_FETCHED_RECORDS, config.ingest.batch_records)
    while True:
        fetched = await group_consumer.fetch(lanes.has_room, max_records)
        # All parts are submitted before a lane runs: one that starts in between writes a smaller batch, and the parts
        # that follow wait for the end of its transaction.
        for part in fetched:
            try:
                lanes.submit(_decode_all(part, config.topic.max_event_bytes))
            except MemoryError:
                reason = f"this process has too little memory to decode the records at offset {part.start_offset}"
                part.claim.halt(reason)
        await asyncio.sleep(0)  # the group's heartbeat and the lanes run on this event loop too
        group_consumer.commit_offsets()
        observer.on_loop(group_consumer.claims, is_member=group_consumer.is_member)
        if sum(len(part.records) for part in fetched) < max_records:  # otherwise there is a backlog: fetch at once
            await lanes.wait_for_idle(_MAX_FETCH_DELAY_S)


def _decode_all(fetched: Fetched, max_event_bytes: int) -> Slice:
    items = [decode(record, max_event_bytes) for record in fetched.records]
    return Slice.of(fetched.claim, fetched.start_offset, fetched.end_offset, items)
