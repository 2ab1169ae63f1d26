"""The size of fetches while a broker's quota delays them."""

from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from agent_runs.settings import KafkaSettings
from consumer.kafka import throttled_consumer
from consumer.kafka.group_client import group_client
from consumer.settings import TopicConfig

LARGEST = TopicConfig().fetch_bytes
PARTITIONS_PER_FETCH = 4


class Fetches:
    """A client whose fetches are answered by the test, and its clock."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.client = group_client(KafkaSettings(bootstrap_servers="127.0.0.1:1"), TopicConfig(), b"")
        self.client._fetcher = SimpleNamespace(_max_partition_fetch_bytes=0, _fetch_max_bytes=0)
        self.client._resize(self.client._size)

    @property
    def size(self) -> int:
        """The bytes of each partition in the next fetch."""
        size: int = self.client._fetcher._max_partition_fetch_bytes
        assert self.client._fetcher._fetch_max_bytes == PARTITIONS_PER_FETCH * size
        return size

    def answer(self, quota: int, fetches: int = 1) -> None:
        """Answer fetches of full size as a broker that has a quota of so many bytes per second, used up already."""
        for _ in range(fetches):
            delay_s = PARTITIONS_PER_FETCH * self.size / quota
            self.now_s += delay_s
            self.client._adapt(int(delay_s * 1000))

    def answer_at_once(self, fetches: int) -> None:
        for _ in range(fetches):
            self.client._adapt(0)


@pytest.fixture
async def fetches(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fetches]:
    """A client that has just connected."""
    fetches = Fetches()
    monkeypatch.setattr(throttled_consumer, "time", SimpleNamespace(monotonic=lambda: fetches.now_s))
    yield fetches
    fetches.client._fetcher = None
    await fetches.client.stop()


async def test_without_a_quota_fetches_grow_to_their_largest_size(fetches: Fetches) -> None:
    assert fetches.size <= LARGEST // 64

    fetches.answer_at_once(60)

    assert fetches.size == LARGEST
    assert not fetches.client.is_throttled


@pytest.mark.parametrize("quota", [50_000, 100_000, 1_000_000])
async def test_a_quota_keeps_the_delay_of_a_fetch_at_about_half_a_second(fetches: Fetches, quota: int) -> None:
    fetches.answer_at_once(60)

    fetches.answer(quota)

    for _ in range(30):
        assert PARTITIONS_PER_FETCH * fetches.size / quota < 1.1
        fetches.answer(quota)
    assert fetches.client.is_throttled


async def test_a_quota_is_reported_when_it_delays_fetches_and_when_it_no_longer_does(fetches: Fetches) -> None:
    with capture_logs() as lines:
        fetches.answer_at_once(60)
        fetches.answer(100_000, fetches=30)
        fetches.answer_at_once(100)
        assert [line["action"] for line in lines] == ["throttled"]
        fetches.now_s += 100
        fetches.answer_at_once(1)
    assert [line["action"] for line in lines] == ["throttled", "unthrottled"]
    assert not fetches.client.is_throttled
