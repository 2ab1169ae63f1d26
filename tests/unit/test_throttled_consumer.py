"""The size of fetches while a broker's quota delays them."""

from types import SimpleNamespace

import pytest
from aiokafka.protocol.fetch import FetchRequest
from structlog.testing import capture_logs

from consumer.kafka import throttled_consumer
from consumer.kafka.throttled_consumer import ThrottledFetchSize
from consumer.settings import TopicConfig

LARGEST = TopicConfig().fetch_bytes
PARTITIONS_PER_FETCH = 4


class Fetches:
    """Fetches of full size, answered by the test, and its clock."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.size = ThrottledFetchSize(LARGEST)

    @property
    def fetch_bytes(self) -> int:
        """What the next fetch returns at most."""
        return PARTITIONS_PER_FETCH * self.size.size_bytes

    def answer(self, quota: int, fetches: int = 1) -> None:
        """Answer as a broker whose quota, in bytes per second, is used up."""
        for _ in range(fetches):
            delay_s = self.fetch_bytes / quota
            self.now_s += delay_s
            self.size.adapt(int(delay_s * 1000))

    def answer_at_once(self, fetches: int) -> None:
        """Answer without a delay."""
        for _ in range(fetches):
            self.size.adapt(0)


@pytest.fixture
def fetches(monkeypatch: pytest.MonkeyPatch) -> Fetches:
    """The fetches of a client that has just connected."""
    fetches = Fetches()
    monkeypatch.setattr(throttled_consumer, "time", SimpleNamespace(monotonic=lambda: fetches.now_s))
    return fetches


def test_without_a_quota_fetches_grow_to_their_largest_size(fetches: Fetches) -> None:
    assert fetches.size.size_bytes <= LARGEST // 64

    fetches.answer_at_once(60)

    assert fetches.size.size_bytes == LARGEST
    assert not fetches.size.is_throttled


@pytest.mark.parametrize("quota", [50_000, 100_000, 1_000_000])
def test_a_quota_keeps_the_delay_of_a_fetch_at_about_half_a_second(fetches: Fetches, quota: int) -> None:
    fetches.answer_at_once(60)

    fetches.answer(quota)

    for _ in range(30):
        assert 0.2 < fetches.fetch_bytes / quota < 1.1
        fetches.answer(quota)
    assert fetches.size.is_throttled


def test_a_quota_is_reported_when_it_delays_fetches_and_when_it_no_longer_does(fetches: Fetches) -> None:
    with capture_logs() as lines:
        fetches.answer_at_once(60)
        fetches.answer(100_000, fetches=30)
        fetches.answer_at_once(100)
        assert [line["action"] for line in lines] == ["throttled"]
        fetches.now_s += 100
        fetches.answer_at_once(1)
    assert [line["action"] for line in lines] == ["throttled", "unthrottled"]
    assert not fetches.size.is_throttled


def test_a_fetch_keeps_all_but_its_sizes() -> None:
    partitions = [("topic", [(0, 17, LARGEST), (3, 4, LARGEST)])]
    request = FetchRequest(50, 1, PARTITIONS_PER_FETCH * LARGEST, 1, partitions, rack_id="rack")

    resized = throttled_consumer._resized(request, 1000)

    assert vars(resized) == {
        **vars(request),
        "_max_bytes": PARTITIONS_PER_FETCH * 1000,
        "_topics": [("topic", [(0, 17, 1000), (3, 4, 1000)])],
    }
