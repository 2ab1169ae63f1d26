"""The loop that moves records from the log to the lanes."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from agent_runs.settings import KafkaSettings
from consumer import loop
from consumer.ingest import decoding
from consumer.kafka.group_consumer import Fetched, GroupConsumer
from consumer.lanes.lanes import Lane, Lanes
from consumer.model.batches import Slice
from consumer.model.claims import Claim, ClaimState
from consumer.runtime.cancellation import cancel_all
from consumer.settings import Config, DatabaseConfig, IngestConfig, ServiceConfig, TopicConfig
from consumer.telemetry.observer import Observer
from tests.support.builders import FakeRecord
from tests.support.fakes import FakeWriter, ready, until

CONFIG = Config(
    kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"),
    topic=TopicConfig(),
    database=DatabaseConfig(url="postgresql://127.0.0.1:1/none"),
    ingest=IngestConfig(),
    service=ServiceConfig(),
)


class OneFetch(GroupConsumer):
    """Returns one record of each claim, then nothing."""

    def __init__(self, claims: list[Claim]) -> None:
        self.is_member = True
        self._claims = {claim.partition: claim for claim in claims}
        self._left = list(claims)

    async def fetch(self, has_room: Callable[[Claim], bool], max_records: int) -> list[Fetched]:
        await asyncio.sleep(0)
        fetched = [Fetched(claim, 7, 8, [FakeRecord(partition=claim.partition, offset=7)]) for claim in self._left]
        self._left = []
        return fetched

    def commit_offsets(self) -> None: ...


class KeptSlices(Lanes):
    def __init__(self) -> None:
        super().__init__([])
        self.slices: list[Slice] = []

    def submit(self, slice_: Slice) -> None:
        self.slices.append(slice_)


async def test_a_partition_whose_records_cannot_be_decoded_for_lack_of_memory_halts_and_the_others_continue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given two partitions, and too little memory to decode the record of the first one,
    first, second = claims = [Claim(0), Claim(1)]
    for claim in claims:
        claim.begin(7, None)
    decode = decoding.decode

    def decode_or_fail(record: FakeRecord, max_event_bytes: int) -> object:
        if record.partition == 0:
            raise MemoryError
        return decode(record, max_event_bytes)

    monkeypatch.setattr(loop, "decode", decode_or_fail)
    # when the loop runs,
    lanes = KeptSlices()
    running = asyncio.create_task(loop.run(OneFetch(claims), lanes, Observer(60.0), CONFIG))
    await until(lambda: bool(lanes.slices) or running.done())
    running.cancel()
    # then the first partition halts with the offset, and the second one continues.
    assert (first.state, second.state) == (ClaimState.HALTED, ClaimState.READY)
    assert "too little memory to decode the records at offset 7" in first.halt_reason
    assert [slice_.claim for slice_ in lanes.slices] == [second]


async def test_the_partitions_of_one_fetch_are_stored_in_one_transaction() -> None:
    writer = FakeWriter()
    lanes = Lanes([Lane(writer, CONFIG.ingest, Observer(60.0))])
    claims = [ready(number, writer, 7) for number in range(3)]
    running = [*lanes.start(), asyncio.create_task(loop.run(OneFetch(claims), lanes, Observer(60.0), CONFIG))]

    await until(lambda: all(position == 8 for position in writer.position.values()))
    await cancel_all(running)
    assert writer.stored == [[(0, 7, 8), (1, 7, 8), (2, 7, 8)]]


class CountedFetches(OneFetch):
    def __init__(self, claims: list[Claim]) -> None:
        super().__init__(claims)
        self.fetches = 0

    async def fetch(self, has_room: Callable[[Claim], bool], max_records: int) -> list[Fetched]:
        self.fetches += 1
        return await super().fetch(has_room, max_records)


@pytest.mark.parametrize(("max_records", "first_wait"), [(3, 1), (2, 2)], ids=["all fetched", "backlog"])
async def test_the_next_fetch_waits_for_an_idle_lane_unless_the_last_one_was_full(
    max_records: int, first_wait: int
) -> None:
    # Given two records,
    group_consumer = CountedFetches([ready(number, FakeWriter(), 7) for number in range(2)])
    waits = []

    class WaitedFor(KeptSlices):
        async def wait_for_idle(self, timeout_s: float) -> None:
            waits.append(group_consumer.fetches)

    # when at most `max_records` are fetched at once,
    config = msgspec.structs.replace(CONFIG, ingest=IngestConfig(batch_records=max_records))
    running = asyncio.create_task(loop.run(group_consumer, WaitedFor(), Observer(60.0), config))
    await until(lambda: len(waits) > 1)
    running.cancel()
    # then the loop waits first after the fetch that returned fewer.
    assert waits[0] == first_wait
