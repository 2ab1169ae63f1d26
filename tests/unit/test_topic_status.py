"""Reading the status of all partitions: what is cached, and what is left out if a fetch is not answered."""

import time
from collections.abc import Sequence
from typing import Any

import pytest

from agent_runs.settings import KafkaSettings
from consumer.errors import Unavailable
from consumer.kafka.log_watch import LogEnds
from consumer.model.members import Member
from consumer.model.topic_status import OpenTransaction
from consumer.partitions.topic_status import TopicStatusReader
from consumer.postgres.session import Session
from consumer.postgres.store import Row
from consumer.settings import Config, DatabaseConfig, IngestConfig, ServiceConfig, TopicConfig

CONFIG = Config(
    kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"),
    topic=TopicConfig(),
    database=DatabaseConfig(url="postgresql://127.0.0.1:1/none"),
    ingest=IngestConfig(),
    service=ServiceConfig(),
)
OWNER = Member("member-1", "agent-runs-consumer", "10.0.0.7", frozenset({0}), is_consumer=True)


class StoredOffsets(Session):
    """A database with the stored offsets of some partitions."""

    def __init__(self, offsets: dict[int, int]) -> None:
        self.offsets = offsets

    async def fetch(self, query: str, *parameters: object) -> list[Row]:
        assert query == "watch_topic"
        letters = {"open_dead_letters": 0, "oldest_dead_letter_s": None}
        rows = [{"partition": number, "next_offset": offset, **letters} for number, offset in self.offsets.items()]
        return [*rows] if rows else [{"partition": None, "next_offset": None, **letters}]


class Kafka:
    """The log and the group. Counts the fetches and the requests for a producer."""

    def __init__(self, ends: dict[int, LogEnds]) -> None:
        self.bounds = ends
        self.members: Sequence[Member] | None = [OWNER]
        self.answers_fetches = self.names_producers = True
        self.written_ms = int(time.time() * 1000) - 60_000
        self.fetched: list[tuple[int, int]] = []
        self.described: list[int] = []

    async def ends(self) -> dict[int, LogEnds]:
        return self.bounds

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


def reader(kafka: Kafka, offsets: dict[int, int], monkeypatch: pytest.MonkeyPatch) -> TopicStatusReader:
    made = TopicStatusReader(CONFIG, StoredOffsets(offsets))
    clients: dict[str, Any] = {"_log": kafka, "_members": kafka}
    for name, client in clients.items():
        monkeypatch.setattr(made, name, client)
    return made


async def test_the_time_of_a_record_is_fetched_again_only_when_the_stored_offset_has_moved(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    offsets = {0: 3, 1: 10}
    status = reader(kafka, offsets, monkeypatch)
    for _ in range(3):
        behind, stored = (await status.read()).partitions
        assert (behind.lag, behind.oldest_ms, behind.owner) == (7, kafka.written_ms, OWNER)
        assert (stored.lag, stored.oldest_ms, stored.owner) == (0, None, None)
    assert kafka.fetched == [(0, 3)]
    offsets[0] = 4
    await status.read()
    assert kafka.fetched == [(0, 3), (0, 4)]


async def test_the_lag_of_a_partition_that_nobody_has_started_begins_at_the_start_of_its_log(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (await reader(kafka, {}, monkeypatch).read()).partitions

    assert (first.next_offset, first.lag) == (0, 10)
    assert (second.next_offset, second.lag) == (4, 6)


async def test_a_fetch_that_is_not_answered_leaves_out_the_times_and_not_the_lag(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka.answers_fetches = False
    status = reader(kafka, {0: 3, 1: 4}, monkeypatch)
    partitions = (await status.read()).partitions
    # One fetch, not one for each partition: each waits for its deadline.
    assert kafka.fetched == [(0, 3)]
    assert [(each.lag, each.oldest_ms) for each in partitions] == [(7, None), (6, None)]
    kafka.answers_fetches = True
    partitions = (await status.read()).partitions
    assert [each.oldest_ms for each in partitions] == [kafka.written_ms] * 2


async def test_without_the_right_to_describe_the_group_the_owners_are_not_known(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka.members = None
    status = await reader(kafka, {0: 3, 1: 4}, monkeypatch).read()

    assert not status.owners_known
    assert [each.owner for each in status.partitions] == [None, None]


async def test_the_producer_of_a_transaction_is_requested_until_it_is_known_and_only_if_it_is_open_for_long(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a transaction that has just begun,
    kafka.bounds = {0: LogEnds(0, 8, 10)}
    kafka.names_producers = False
    kafka.written_ms = int(time.time() * 1000)
    status = reader(kafka, {0: 8}, monkeypatch)
    (blocked,) = (await status.read()).partitions
    assert blocked.transaction == OpenTransaction(8, begun_ms=kafka.written_ms)
    assert kafka.described == []
    # when it has been open for longer than the setting, then its producer is requested until Kafka tells,
    begun_ms = kafka.written_ms - int(CONFIG.topic.open_transaction_s * 1000)
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
