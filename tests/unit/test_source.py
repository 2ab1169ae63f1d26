"""The source against a client that a rebalance surprises in the middle of a fetch."""

from collections.abc import Callable, Sequence

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException, KafkaError, OffsetOutOfRangeError

from agent_runs.settings import KafkaSettings
from consumer.claims import Claim, ClaimState
from consumer.config import TopicConfig
from consumer.errors import SourceBroken
from consumer.records import Record
from consumer.source import Fetched, Source
from tests.unit.builders import FakeRecord

FIRST = TopicPartition("run-events", 0)
SECOND = TopicPartition("run-events", 1)


class Client:
    """What the source uses of the Kafka client: an endless log of one record an offset, and positions in it."""

    def __init__(self) -> None:
        self.positions: dict[TopicPartition, int] = {}
        self.troubles: list[Exception] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def pause(self, *partitions: TopicPartition) -> None: ...

    def resume(self, *partitions: TopicPartition) -> None: ...

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.positions[partition] = offset

    async def position(self, partition: TopicPartition) -> int:
        return self.positions[partition]

    def last_stable_offset(self, partition: TopicPartition) -> int:
        return 1_000

    async def getmany(self, *wanted: TopicPartition, **_: int) -> dict[TopicPartition, list[Record]]:
        self.meanwhile()
        arrived: dict[TopicPartition, list[Record]] = {}
        for partition in wanted:
            start = self.positions[partition]
            self.positions[partition] = start + 10
            arrived[partition] = [FakeRecord(partition=partition.partition, offset=start + at) for at in range(10)]
        if self.troubles:
            raise self.troubles.pop(0)  # what was read already is lost with it, and the positions stay moved
        return arrived

    async def stop(self) -> None: ...


@pytest.fixture
async def client() -> Client:
    return Client()


@pytest.fixture
async def source(client: Client) -> Source:
    source = Source(KafkaSettings(bootstrap_servers="127.0.0.1:1"), TopicConfig())
    await source._consumer.stop()
    source._consumer = client
    return source


async def assign(source: Source, *partitions: TopicPartition) -> list[Claim]:
    await source.on_partitions_assigned(partitions)
    for claim in source.claims:
        source.begin(claim, 100, None)
    return list(source.claims)


async def fetch(source: Source) -> list[Fetched]:
    return await source.fetch(lambda claim: True, 100)


def bounds(fetched: Sequence[Fetched]) -> list[tuple[int, int]]:
    return [(piece.begins, piece.ends) for piece in fetched]


async def test_records_that_came_for_a_claim_that_ended_are_fetched_again_by_the_next_one(
    source: Source, client: Client
) -> None:
    # Given a fetch that is under way for one claim,
    (old,) = await assign(source, FIRST)

    # when meanwhile the partition is revoked, assigned to us again, and taken up,
    def rebalance() -> None:
        old.lose()
        source._claims = {0: Claim(0)}
        source.begin(source._claims[0], 100, None)
        client.meanwhile = lambda: None

    client.meanwhile = rebalance
    # then what came is dropped, and the new claim begins where it should: no record is passed unseen.
    assert await fetch(source) == []
    assert bounds(await fetch(source)) == [(100, 110)]


async def test_what_a_failing_fetch_had_read_of_other_partitions_is_fetched_again(
    source: Source, client: Client
) -> None:
    # Given two partitions, and a fetch that fails over one of them after it has read the other,
    await assign(source, FIRST, SECOND)
    client.troubles = [CorruptRecordException("crc")]
    assert await fetch(source) == []
    # when it is tried again, one by one,
    fetched = [*await fetch(source), *await fetch(source)]
    # then nothing was skipped.
    assert bounds(fetched) == [(100, 110), (100, 110)]


async def test_a_partition_whose_record_cannot_be_read_halts_and_the_others_go_on(
    source: Source, client: Client
) -> None:
    first, second = await assign(source, FIRST, SECOND)
    client.troubles = [UnicodeDecodeError("utf-8", b"\xff", 0, 1, "header")] * 4  # once together, three times alone
    for _ in range(4):
        assert await fetch(source) == []
    assert first.state is ClaimState.HALTED
    assert "offset 100" in first.halted_because
    assert [piece.claim for piece in await fetch(source)] == [second]


async def test_an_offset_that_the_log_does_not_have_is_looked_into(source: Source, client: Client) -> None:
    (claim,) = await assign(source, FIRST)
    client.troubles = [OffsetOutOfRangeError({FIRST: 100})]
    assert await fetch(source) == []
    assert claim.state is ClaimState.LOST
    assert [claim.state for claim in source.claims] == [ClaimState.NEW]


async def test_a_client_that_cannot_go_on_is_made_anew(source: Source, client: Client) -> None:
    await assign(source, FIRST)
    client.troubles = [KafkaError("the coordination task is dead")]
    with pytest.raises(SourceBroken, match="coordination task"):
        await fetch(source)
