"""`GroupConsumer` with a client that rebalances during a fetch, fails, or cannot read a record."""

from collections.abc import Callable, Sequence

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException, KafkaError, OffsetOutOfRangeError
from structlog.testing import capture_logs

from agent_runs.kafka.errors import BatchTooLarge, FetchTooLarge
from agent_runs.kafka.records import Record
from agent_runs.settings import KafkaSettings
from consumer.errors import KafkaClientBroken
from consumer.kafka.group_consumer import Fetched, GroupConsumer
from consumer.model.claims import Claim, ClaimState
from consumer.settings import TopicConfig
from tests.support.builders import FakeRecord

FIRST = TopicPartition("run-events", 0)
SECOND = TopicPartition("run-events", 1)
BEGIN, END = 100, 120


class Client:
    """The used part of the Kafka client: logs that end at offset 120, positions, and records that cannot be read."""

    def __init__(self) -> None:
        self.positions: dict[TopicPartition, int] = {}
        self.paused: set[TopicPartition] = set()
        self.unreadable: dict[TopicPartition, int] = {}
        self.errors: list[Exception] = []
        self.during_fetch: Callable[[], None] = lambda: None

    def pause(self, *partitions: TopicPartition) -> None:
        self.paused.update(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        self.paused.difference_update(partitions)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.positions[partition] = offset

    async def position(self, partition: TopicPartition) -> int:
        return self.positions[partition]

    def last_stable_offset(self, partition: TopicPartition) -> int:
        return END

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[Record]]:
        self.during_fetch()
        if self.errors:
            raise self.errors.pop(0)
        records: dict[TopicPartition, list[Record]] = {}
        for partition in sorted(set(partitions) - self.paused):
            start = self.positions[partition]
            end = min(start + max_records, END)
            if self.unreadable.get(partition, END) in range(start, end):
                # The records of the other partitions are lost, but their positions have moved.
                raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "the name of a header")
            self.positions[partition] = end
            records[partition] = [FakeRecord(partition=partition.partition, offset=at) for at in range(start, end)]
        return records

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
    return [(each.start_offset, each.end_offset) for each in fetched]


async def test_records_that_came_for_a_claim_that_ended_are_fetched_again_by_the_next_one(
    source: GroupConsumer, client: Client
) -> None:
    # Given a fetch that is under way for one claim,
    (old,) = await assign(source, FIRST)

    # when the partition is revoked meanwhile, assigned to the same member again, and begun,
    def rebalance() -> None:
        old.revoke()
        source._claims = {0: Claim(0)}
        source.begin(source._claims[0], BEGIN, None)
        client.during_fetch = lambda: None

    client.during_fetch = rebalance
    # then the fetched records are dropped, and the new claim starts at its own offset: no record is skipped.
    assert await fetch(source) == []
    assert bounds(await fetch(source)) == [(BEGIN, END)]


async def test_all_records_before_an_unreadable_one_are_fetched_and_other_partitions_continue(
    source: GroupConsumer, client: Client
) -> None:
    # Given two partitions, one of which has a record that cannot be read,
    first, second = await assign(source, FIRST, SECOND)
    client.unreadable = {SECOND: 107}
    # when they are fetched and stored until the first one is at its end and the second one is halted,
    fetched: list[Fetched] = []
    while first.position < END or second.state is not ClaimState.HALTED:
        for each in await fetch(source):
            fetched.append(each)
            each.claim.stored(each.end_offset, None)
    # then nothing was skipped, and the halt names the record.
    for claim, end in ((first, END), (second, 107)):
        own = [each for each in fetched if each.claim is claim]
        assert [record.offset for each in own for record in each.records] == [*range(BEGIN, end)]
        assert [each.start_offset for each in own] == [BEGIN, *(each.end_offset for each in own[:-1])]
    assert "offset 107" in second.halt_reason


async def test_a_record_that_can_be_read_on_a_later_try_halts_nothing(source: GroupConsumer, client: Client) -> None:
    # Given a record that is corrupted in transit: once in a fetch of all partitions, twice in a fetch of its own,
    await assign(source, FIRST, SECOND)
    client.errors = [CorruptRecordException("crc")] * 3
    # when it is fetched again,
    fetched: list[Fetched] = []
    with capture_logs() as lines:
        while len(lines) < 3:
            fetched += await fetch(source)
    # then every record is fetched, and no partition halts.
    assert sum(len(each.records) for each in fetched) == 2 * (END - BEGIN)
    assert {claim.state for claim in source.claims} == {ClaimState.READY}
    # The beginning of the search is logged once, and its end for each partition.
    assert [line["action"] for line in lines] == ["unreadable", "readable", "readable"]


async def test_an_offset_that_the_log_does_not_have_replaces_the_claim(source: GroupConsumer, client: Client) -> None:
    (claim,) = await assign(source, FIRST)
    client.errors = [OffsetOutOfRangeError({FIRST: 100})]
    assert await fetch(source) == []
    assert claim.state is ClaimState.REVOKED
    assert [claim.state for claim in source.claims] == [ClaimState.NEW]


async def test_an_error_that_is_not_retriable_raises_kafka_client_broken(source: GroupConsumer, client: Client) -> None:
    await assign(source, FIRST)
    client.errors = [KafkaError("the coordination task is dead")]
    with pytest.raises(KafkaClientBroken, match="coordination task"):
        await fetch(source)


@pytest.mark.parametrize(
    "error",
    [
        BatchTooLarge("it expands to too many bytes"),
        FetchTooLarge("they expand to too many bytes together"),
        CorruptRecordException("its checksum is wrong"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "the name of a header"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_record_that_was_fetched_before_its_claim_is_ready_raises_no_error(
    source: GroupConsumer, client: Client, error: Exception
) -> None:
    # Given a member whose only claim has not begun, and a response with a record that cannot be read,
    await source.on_partitions_assigned([FIRST])
    client.errors = [error]
    # when it fetches, then the error is ignored; and it is found again when the claim has begun.
    assert await fetch(source) == []
    assert client.errors == []


async def test_a_halted_claim_fetches_no_record_until_it_is_renewed(source: GroupConsumer, client: Client) -> None:
    # Given a member whose only claim is halted at a record that cannot be read,
    (claim,) = await assign(source, FIRST)
    client.unreadable = {FIRST: BEGIN}
    claim.halt("the record cannot be read")
    # when it fetches, then the record is not read again, and the client's position stays.
    assert await fetch(source) == []
    assert client.positions[FIRST] == BEGIN
    # When the claim is renewed, then its records are fetched.
    client.unreadable.clear()
    source.renew(claim)
    (renewed,) = source.claims
    source.begin(renewed, BEGIN, None)
    assert bounds(await fetch(source)) == [(BEGIN, END)]
