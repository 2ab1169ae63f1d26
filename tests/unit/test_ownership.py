"""Starting a partition that another consumer still writes."""

import asyncio
from collections.abc import Iterable

from agent_runs.settings import KafkaSettings
from consumer.kafka.group_consumer import GroupConsumer
from consumer.kafka.topic_reader import Bounds, TopicReader
from consumer.model.claims import Claim, ClaimState
from consumer.model.records import Fingerprint
from consumer.partitions.ownership import Ownership
from consumer.postgres.store import Offsets, Row, Store
from consumer.runtime.cancellation import cancel_all
from consumer.settings import Config, DatabaseConfig, IngestConfig, ServiceConfig, TopicConfig

CONFIG = Config(
    kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"),
    topic=TopicConfig(),
    database=DatabaseConfig(url="postgresql://127.0.0.1:1/none"),
    ingest=IngestConfig(),
    service=ServiceConfig(),
)


class GrowingPartition:
    """A log that grows between any two requests, and whose records another owner stores at once."""

    def __init__(self) -> None:
        self.end = 0
        self.claim = Claim(0)
        self.started = asyncio.Event()

    def grown(self) -> int:
        self.end += 1
        return self.end


class GrowingLog(TopicReader):
    def __init__(self, growing: GrowingPartition) -> None:
        self.growing = growing

    async def bounds(self, partitions: Iterable[int]) -> dict[int, Bounds]:
        return dict.fromkeys(partitions, Bounds(0, self.growing.grown()))


class FollowingStore(Store):
    def __init__(self, growing: GrowingPartition) -> None:
        self.growing = growing
        self.topic = "topic"

    async def fetch(self, query: str, *parameters: object) -> list[Row]:
        assert query in ("open_letters", "terminate_stalled_owner")
        return []

    async def offsets(self) -> dict[int, Offsets]:
        return {0: Offsets(0, 0, self.growing.grown(), None, None, 0, 0)}

    @property
    def usable(self) -> bool:
        return True

    def terminate(self) -> None: ...


class OneClaim(GroupConsumer):
    def __init__(self, growing: GrowingPartition) -> None:
        self.growing = growing

    @property
    def claims(self) -> list[Claim]:
        if self.growing.claim.state is not ClaimState.NEW:
            self.growing.started.set()
        return [self.growing.claim]

    def begin(self, claim: Claim, offset: int, fingerprint: Fingerprint | None) -> None:
        claim.begin(offset, fingerprint)


async def test_a_partition_that_grows_while_it_is_started_is_not_halted() -> None:
    # Given a partition whose last owner still stores new records,
    growing = GrowingPartition()

    async def connect() -> Store:
        return FollowingStore(growing)

    ownership = Ownership(OneClaim(growing), GrowingLog(growing), connect, CONFIG, lambda claim: True)
    # when it is started,
    running = asyncio.create_task(ownership.run())
    await asyncio.wait_for(growing.started.wait(), 10)
    await cancel_all([running])
    # then the stored offset is not compared with an end of the log that was read before it.
    assert (growing.claim.state, growing.claim.halt_reason) == (ClaimState.READY, "")
