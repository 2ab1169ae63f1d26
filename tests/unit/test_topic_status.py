"""Reading the status of all partitions: what is cached, and what is left out if a fetch is not answered."""

import time
from collections.abc import Mapping, Sequence
from typing import cast

import pytest

from consumer.errors import Unavailable
from consumer.kafka.group_members import GroupMembers
from consumer.kafka.log_watch import LogEnds, LogWatch
from consumer.model.members import Member
from consumer.model.topic_status import OpenTransaction
from consumer.partitions.topic_status import TopicStatusReader
from consumer.postgres.session import Session
from consumer.postgres.store import Row
from consumer.settings import TopicConfig

TOPIC = TopicConfig()
LAST_MS = 1_700_000_000_000  # of the last stored record
OWNER = Member("member-1", "agent-runs-consumer", "10.0.0.7", frozenset({0}), is_consumer=True)


class StoredOffsets(Session):
    """A database with the stored offsets of some partitions."""

    def __init__(self, offsets: dict[int, int]) -> None:
        self.offsets = offsets

    async def fetch(self, query: str, *parameters: object) -> list[Row]:
        assert query == "watch_topic"
        letters = {"open_dead_letters": 0, "oldest_dead_letter_s": None}
        rows = [
            {"partition": number, "next_offset": offset, "last_timestamp": LAST_MS if offset else None, **letters}
            for number, offset in self.offsets.items()
        ]
        return [*rows] if rows else [{"partition": None, "next_offset": None, "last_timestamp": None, **letters}]


class Kafka:
    """The log and the group. Records the searches, the fetches and the requests for a producer.

    Attributes:
        newer: offset and timestamp of the first record that is newer than the last stored one, by partition.
    """

    def __init__(self, ends: dict[int, LogEnds]) -> None:
        self.bounds = ends
        self.members: Sequence[Member] | None = [OWNER]
        self.answers_fetches = self.names_producers = True
        self.written_ms = int(time.time() * 1000) - 60_000
        self.newer: dict[int, tuple[int, int]] = {}
        self.searched: list[dict[int, int]] = []
        self.fetched: list[tuple[int, int]] = []
        self.described: list[int] = []

    async def ends(self) -> dict[int, LogEnds]:
        return self.bounds

    async def first_after(self, times_ms: Mapping[int, int]) -> dict[int, tuple[int, int]]:
        self.searched.append(dict(times_ms))
        return {number: self.newer[number] for number in times_ms if number in self.newer}

    async def written_at(self, partition: int, offset: int) -> int | None:
        self.fetched.append((partition, offset))
        if not self.answers_fetches:
            raise Unavailable("Kafka: no answer")
        return self.written_ms

    async def open_transaction(self, partition: int) -> OpenTransaction | None:
        self.described.append(partition)
        if not self.names_producers:
            raise Unavailable("Kafka: the request is not known")
        return OpenTransaction(self.bounds[partition].stable_offset, 7, 0, "billing")

    async def read(self) -> Sequence[Member] | None:
        if self.members is None:
            raise Unavailable("Kafka: GroupAuthorizationFailedError")
        return self.members


@pytest.fixture
def kafka() -> Kafka:
    return Kafka({0: LogEnds(0, 10, 10), 1: LogEnds(4, 10, 10)})


def reader(kafka: Kafka, offsets: dict[int, int]) -> TopicStatusReader:
    members = cast("GroupMembers", kafka)
    return TopicStatusReader(TOPIC, StoredOffsets(offsets), cast("LogWatch", kafka), members)


async def test_the_time_of_a_record_is_searched_again_only_when_the_stored_offset_has_moved(kafka: Kafka) -> None:
    offsets = {0: 3, 1: 10}
    status = reader(kafka, offsets)
    kafka.newer = {0: (3, kafka.written_ms)}
    for _ in range(3):
        behind, stored = (await status.read()).partitions
        assert (behind.lag, behind.oldest_ms, behind.owner) == (7, kafka.written_ms, OWNER)
        assert (stored.lag, stored.oldest_ms, stored.owner) == (0, None, None)
    assert kafka.searched == [{0: LAST_MS}]
    offsets[0] = 4
    kafka.newer = {0: (4, kafka.written_ms + 1)}
    assert (await status.read()).partitions[0].oldest_ms == kafka.written_ms + 1
    assert kafka.searched == [{0: LAST_MS}] * 2
    assert kafka.fetched == []


@pytest.mark.parametrize(
    ("stored", "newer", "expected"),
    [
        (0, (0, 500), 500),  # nothing is stored yet: the search begins at the earliest time
        (0, (2, 500), 500),  # the log begins with offsets that hold no record
        (3, (6, 500), LAST_MS),  # the records 3 to 5 are of the same millisecond as the last stored one
        (3, None, LAST_MS),  # all are
    ],
)
async def test_the_time_of_the_next_record_follows_from_the_first_newer_one(
    kafka: Kafka, stored: int, newer: tuple[int, int] | None, expected: int
) -> None:
    kafka.bounds = {0: LogEnds(0, 10, 10)}
    kafka.newer = {} if newer is None else {0: newer}
    (partition,) = (await reader(kafka, {0: stored}).read()).partitions

    assert partition.oldest_ms == expected
    assert kafka.searched == [{0: LAST_MS if stored else -1}]
    assert kafka.fetched == []


async def test_the_lag_of_a_partition_that_no_consumer_has_started_begins_at_the_start_of_its_log(kafka: Kafka) -> None:
    first, second = (await reader(kafka, {}).read()).partitions

    assert (first.next_offset, first.lag) == (0, 10)
    assert (second.next_offset, second.lag) == (4, 6)


async def test_if_timestamps_decrease_the_record_is_fetched_and_without_an_answer_only_its_time_is_not_known(
    kafka: Kafka,
) -> None:
    # Given two partitions with stored records that are newer than the last stored one,
    kafka.newer = {0: (1, 500), 1: (5, 500)}
    kafka.answers_fetches = False
    status = reader(kafka, {0: 3, 1: 6})
    # when a fetch is not answered, then the next one is not tried: each would wait for its deadline.
    partitions = (await status.read()).partitions
    assert kafka.fetched == [(0, 3)]
    assert [(each.lag, each.oldest_ms) for each in partitions] == [(7, None), (4, None)]
    kafka.answers_fetches = True
    partitions = (await status.read()).partitions
    assert [each.oldest_ms for each in partitions] == [kafka.written_ms] * 2


async def test_without_the_right_to_describe_the_group_the_owners_are_not_known(kafka: Kafka) -> None:
    kafka.members = None
    status = await reader(kafka, {0: 3, 1: 4}).read()

    assert not status.owners_known
    assert [each.owner for each in status.partitions] == [None, None]


async def test_the_producer_of_a_transaction_is_requested_until_it_is_known_and_only_if_it_is_open_for_long(
    kafka: Kafka,
) -> None:
    # Given a transaction that has just begun,
    kafka.bounds = {0: LogEnds(0, 8, 10)}
    kafka.names_producers = False
    kafka.written_ms = int(time.time() * 1000)
    kafka.newer = {0: (8, kafka.written_ms)}
    status = reader(kafka, {0: 8})
    (blocked,) = (await status.read()).partitions
    assert blocked.transaction == OpenTransaction(8, begun_ms=kafka.written_ms)
    assert kafka.described == []
    # when it has been open for longer than the setting, then its producer is requested until Kafka tells,
    begun_ms = kafka.written_ms - int(TOPIC.open_transaction_s * 1000)
    kafka.bounds, kafka.written_ms = {0: LogEnds(0, 9, 10)}, begun_ms
    await status.read()
    kafka.names_producers = True
    for _ in range(2):
        (blocked,) = (await status.read()).partitions
        assert blocked.transaction == OpenTransaction(9, 7, 0, "billing", begun_ms)
    assert kafka.described == [0, 0]
    # and when it is over, then there is none.
    kafka.bounds = {0: LogEnds(0, 11, 11)}
    (free,) = (await status.read()).partitions
    assert free.transaction is None


async def test_the_time_of_the_last_stored_record_does_not_count_if_the_log_begins_behind_it(kafka: Kafka) -> None:
    kafka.bounds, kafka.newer = {0: LogEnds(5, 10, 10)}, {0: (6, 500)}
    (partition,) = (await reader(kafka, {0: 3}).read()).partitions

    assert (partition.next_offset, partition.lag, partition.oldest_ms) == (5, 5, 500)
