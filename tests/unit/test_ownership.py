"""Taking partitions up while somebody else still writes them."""

import asyncio
from collections.abc import Iterable

from agent_runs.settings import KafkaSettings
from consumer.config import Config, DatabaseConfig, IngestConfig, ServiceConfig, TopicConfig
from consumer.kafka.group_consumer import GroupConsumer
from consumer.kafka.topic_reader import Bounds, TopicReader
from consumer.model.claims import Claim, ClaimState
from consumer.model.records import Fingerprint
from consumer.partitions.ownership import Ownership
from consumer.postgres.store import Offsets, Row, Store
from consumer.runtime.tasks import cancel_all

CONFIG = Config(
    kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"),
    topic=TopicConfig(),
    database=DatabaseConfig(url="postgresql://127.0.0.1:1/none"),
    ingest=IngestConfig(),
    service=ServiceConfig(),
)


class World:
    """A log that has grown whenever one looks, and all of which the last owner has stored already."""

    def __init__(self) -> None:
        self.end = 0
        self.claim = Claim(0)
        self.taken_up = asyncio.Event()

    def grown(self) -> int:
        self.end += 1
        return self.end


class GrowingLog(TopicReader):
    def __init__(self, world: World) -> None:
        self.world = world

    async def bounds(self, partitions: Iterable[int]) -> dict[int, Bounds]:
        return dict.fromkeys(partitions, Bounds(0, self.world.grown()))


class FollowingStore(Store):
    def __init__(self, world: World) -> None:
        self.world = world
        self.topic = "topic"

    async def fetch(self, query: str, *parameters: object) -> list[Row]:
        assert query == "open_letters"
        return []

    async def offsets(self) -> dict[int, Offsets]:
        return {0: Offsets(0, 0, self.world.grown(), None, None, 0, 0)}

    @property
    def usable(self) -> bool:
        return True

    def terminate(self) -> None: ...


class OneClaim(GroupConsumer):
    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def claims(self) -> list[Claim]:
        if self.world.claim.state is not ClaimState.NEW:
            self.world.taken_up.set()
        return [self.world.claim]

    def begin(self, claim: Claim, offset: int, fingerprint: Fingerprint | None) -> None:
        claim.begin(offset, fingerprint)


async def test_a_partition_that_grows_while_it_is_taken_up_has_lost_nothing() -> None:
    # Given a partition whose last owner still stores what comes,
    world = World()

    async def connect() -> Store:
        return FollowingStore(world)

    ownership = Ownership(OneClaim(world), GrowingLog(world), connect, CONFIG, lambda claim: True)
    # when it is taken up,
    running = asyncio.create_task(ownership.run())
    await asyncio.wait_for(world.taken_up.wait(), 10)
    await cancel_all([running])
    # then what was stored is not held against a log that was looked at before.
    assert (world.claim.state, world.claim.halt_reason) == (ClaimState.READY, "")
