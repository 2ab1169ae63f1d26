"""Whether the log still holds a stored record: shown by searches by time, else by a fetch of the record."""

import pytest

from consumer.kafka.topic_reader import Bounds, TopicReader
from consumer.model.records import Fingerprint
from consumer.partitions.lost_offsets import holds_record


class Log(TopicReader):
    """A log of one partition whose records have these timestamps; None is a transaction marker."""

    def __init__(self, *timestamps_ms: int | None) -> None:
        self.timestamps_ms = timestamps_ms
        self.fetches = 0

    async def first_since(self, partition: int, timestamp_ms: int) -> tuple[int, int] | None:
        assert timestamp_ms >= 0  # negative ones have another meaning in Kafka's protocol
        records = ((offset, own_ms) for offset, own_ms in enumerate(self.timestamps_ms) if own_ms is not None)
        return next(((offset, own_ms) for offset, own_ms in records if own_ms >= timestamp_ms), None)

    async def timestamp_at(self, partition: int, offset: int) -> int | None:
        self.fetches += 1
        return self.timestamps_ms[offset]


@pytest.mark.parametrize(
    ("timestamps_ms", "offset", "timestamp_ms", "holds", "fetches"),
    [
        pytest.param((5, 7, 9), 1, 7, True, 0, id="it is the first record of its time"),
        pytest.param((5, 7, 7, 7), 3, 7, True, 0, id="it is the last record of its time and of the log"),
        pytest.param((5, 7, 7, 7, 8), 2, 7, True, 0, id="it is among records of its time"),
        pytest.param((5, 7, 9), 1, 8, False, 1, id="its offset has another time"),
        pytest.param((5, 7, 9, 9), 3, 7, False, 1, id="only an earlier record has its time"),
        pytest.param((7, 5, 5), 1, 5, True, 1, id="an earlier record has a later time"),
        pytest.param((1, 2, 3), 1, 9, False, 1, id="all records are older"),
        pytest.param((5, None, 9), 1, 7, False, 1, id="its offset has a transaction marker"),
        pytest.param((-1, -1), 1, 0, False, 1, id="its time could not be stored"),
    ],
)
async def test_a_stored_record_is_found_in_its_log_and_not_in_another_one(
    timestamps_ms: tuple[int | None, ...], offset: int, timestamp_ms: int, holds: bool, fetches: int
) -> None:
    log, bounds = Log(*timestamps_ms), Bounds(0, len(timestamps_ms))

    assert await holds_record(0, Fingerprint(offset, timestamp_ms), bounds, log) is holds

    assert log.fetches == fetches
