"""The source against a client that a rebalance surprises in the middle of a fetch."""

from collections.abc import Callable, Sequence

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException, KafkaError, OffsetOutOfRangeError

from agent_runs.settings import KafkaSettings
from consumer.config import TopicConfig
from consumer.errors import KafkaClientBroken
from consumer.kafka.group_consumer import Fetched, GroupConsumer
from consumer.model.claims import Claim, ClaimState
from consumer.model.records import Record
from tests.support.builders import FakeRecord

FIRST = TopicPartition("run-events", 0)
SECOND = TopicPartition("run-events", 1)
BEGIN, END = 100, 120


class Client:
    """What the source uses of the Kafka client: logs that end at 120, positions in them, records that can't be read."""

    def __init__(self) -> None:
        self.positions: dict[TopicPartition, int] = {}
        self.unreadable: dict[TopicPartition, int] = {}
        self.troubles: list[Exception] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def pause(self, *partitions: TopicPartition) -> None: ...

    def resume(self, *partitions: TopicPartition) -> None: ...

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.positions[partition] = offset

    async def position(self, partition: TopicPartition) -> int:
        return self.positions[partition]

    def last_stable_offset(self, partition: TopicPartition) -> int:
        return END

    async def getmany(
        self, *wanted: TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[Record]]:
        self.meanwhile()
        if self.troubles:
            raise self.troubles.pop(0)
        arrived: dict[TopicPartition, list[Record]] = {}
        for partition in wanted:
            start = self.positions[partition]
            end = min(start + max_records, END)
            if self.unreadable.get(partition, END) in range(start, end):
                # What was read of other partitions is lost with it, but their positions stay moved.
                raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "the name of a header")
            self.positions[partition] = end
            arrived[partition] = [FakeRecord(partition=partition.partition, offset=at) for at in range(start, end)]
        return arrived

    async def stop(self) -> None: ...


@pytest.fixture
async def client() -> Client:
    return Client()


@pytest.fixture
async def source(client: Client) -> GroupConsumer:
    source = GroupConsumer(KafkaSettings(bootstrap_servers="127.0.0.1:1"), TopicConfig())
    await source._consumer.stop()
    source._consumer = client
    return source


async def assign(source: GroupConsumer, *partitions: TopicPartition) -> list[Claim]:
    await source.on_partitions_assigned(partitions)
    for claim in source.claims:
        source.begin(claim, BEGIN, None)
    return list(source.claims)


async def fetch(source: GroupConsumer) -> list[Fetched]:
    return await source.fetch(lambda claim: True, 100)


def bounds(fetched: Sequence[Fetched]) -> list[tuple[int, int]]:
    return [(slice_.start_offset, slice_.end_offset) for slice_ in fetched]


async def test_records_that_came_for_a_claim_that_ended_are_fetched_again_by_the_next_one(
    source: GroupConsumer, client: Client
) -> None:
    # Given a fetch that is under way for one claim,
    (old,) = await assign(source, FIRST)

    # when meanwhile the partition is revoked, assigned to us again, and taken up,
    def rebalance() -> None:
        old.revoke()
        source._claims = {0: Claim(0)}
        source.begin(source._claims[0], BEGIN, None)
        client.meanwhile = lambda: None

    client.meanwhile = rebalance
    # then what came is dropped, and the new claim begins where it should: no record is passed unseen.
    assert await fetch(source) == []
    assert bounds(await fetch(source)) == [(BEGIN, END)]


async def test_all_that_stands_before_a_record_that_cannot_be_read_is_fetched_and_the_others_go_on(
    source: GroupConsumer, client: Client
) -> None:
    # Given two partitions, one of which has a record that cannot be read,
    first, second = await assign(source, FIRST, SECOND)
    client.unreadable = {SECOND: 107}
    # when they are fetched until the first one has come to its end and the second one has halted,
    fetched: list[Fetched] = []
    while first.position < END or second.state is not ClaimState.HALTED:
        fetched += await fetch(source)
    # then nothing was skipped, and the halt names the record.
    for claim, end in ((first, END), (second, 107)):
        pieces = [slice_ for slice_ in fetched if slice_.claim is claim]
        assert [record.offset for slice_ in pieces for record in slice_.records] == [*range(BEGIN, end)]
        assert [slice_.start_offset for slice_ in pieces] == [BEGIN, *(slice_.end_offset for slice_ in pieces[:-1])]
    assert "offset 107" in second.halt_reason


async def test_a_record_that_can_be_read_after_all_halts_nothing(source: GroupConsumer, client: Client) -> None:
    # Given a byte that fell over on the way from the broker, once together with others and twice alone,
    await assign(source, FIRST, SECOND)
    client.troubles = [CorruptRecordException("crc")] * 3
    # when it is sent again,
    fetched: list[Fetched] = []
    while any(claim.position < END for claim in source.claims):
        fetched += await fetch(source)
    # then all is read, and nothing halts.
    assert sum(len(slice_.records) for slice_ in fetched) == 2 * (END - BEGIN)
    assert {claim.state for claim in source.claims} == {ClaimState.READY}


async def test_an_offset_that_the_log_does_not_have_is_looked_into(source: GroupConsumer, client: Client) -> None:
    (claim,) = await assign(source, FIRST)
    client.troubles = [OffsetOutOfRangeError({FIRST: 100})]
    assert await fetch(source) == []
    assert claim.state is ClaimState.REVOKED
    assert [claim.state for claim in source.claims] == [ClaimState.NEW]


async def test_a_client_that_cannot_go_on_is_made_anew(source: GroupConsumer, client: Client) -> None:
    await assign(source, FIRST)
    client.troubles = [KafkaError("the coordination task is dead")]
    with pytest.raises(KafkaClientBroken, match="coordination task"):
        await fetch(source)
