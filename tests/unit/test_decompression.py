"""The bounds of decompression, with batches that the Kafka client builds and parses."""

import os
from collections.abc import Iterator

import pytest
from aiokafka import codec as client_codec
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from agent_runs.kafka.decompression import _gunzip, _unsnappy, decompression_limit
from agent_runs.kafka.errors import BatchTooLarge, FetchTooLarge
from consumer.kafka.fetch_size import FetchSize
from consumer.settings import TopicConfig

LIMIT = 1_000_000
CODECS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
FRAME = 100  # more than the size of a record without its value


@pytest.fixture(autouse=True)
def limit() -> Iterator[None]:
    decompression_limit.set(LIMIT)
    yield
    decompression_limit.set(TopicConfig().decompression_limit)


def batch(codec: str, value: bytes) -> bytes:
    builder = DefaultRecordBatchBuilder(2, CODECS[codec], 0, -1, -1, -1, 2 * LIMIT)
    builder.append(0, None, b"key", value, [])
    return bytes(builder.build())


def values(raw: bytes) -> list[bytes | None]:
    """The values of a batch, as the client parses it."""
    return [record.value for record in DefaultRecordBatch(raw)]


@pytest.mark.parametrize("codec", CODECS)
def test_a_batch_within_the_limit_is_decompressed_and_a_larger_one_is_not(codec: str) -> None:
    decompression_limit.begin_fetch(1)
    for value in (b"", b"a", os.urandom(LIMIT - FRAME), bytes(LIMIT - FRAME)):
        assert values(batch(codec, value)) == [value]
    with pytest.raises(BatchTooLarge, match="AGENT_RUNS_MAX_DECOMPRESSED_BYTES"):
        values(batch(codec, bytes(LIMIT)))


@pytest.mark.parametrize("codec", CODECS)
def test_the_batches_of_one_fetch_share_the_limit_and_each_fetch_begins_with_the_whole_limit(codec: str) -> None:
    raw = batch(codec, bytes(LIMIT // 2))
    decompression_limit.begin_fetch(100)
    values(raw)
    with pytest.raises(FetchTooLarge):
        values(raw)
    decompression_limit.begin_fetch(100)
    values(raw)


def test_the_first_batch_of_a_fetch_is_never_refused_for_the_fetch() -> None:
    decompression_limit.begin_fetch(100)
    with pytest.raises(BatchTooLarge):
        values(batch("lz4", bytes(LIMIT)))


@pytest.mark.parametrize("codec", CODECS)
def test_a_damaged_batch_is_not_taken_for_a_large_one(codec: str) -> None:
    raw = batch(codec, os.urandom(LIMIT // 2))
    decompression_limit.begin_fetch(1)
    with pytest.raises(Exception) as raised:  # noqa: PT011  # each codec has its own errors
        values(raw[: len(raw) // 2])
    assert not isinstance(raised.value, BatchTooLarge | FetchTooLarge)


def test_the_blocks_of_javas_snappy_share_the_limit() -> None:
    framed = client_codec.snappy_encode(bytes(LIMIT), xerial_blocksize=1000)
    assert _unsnappy(framed, LIMIT) == bytes(LIMIT)
    decompression_limit.begin_fetch(1)
    with pytest.raises(BatchTooLarge):
        decompression_limit.decompress(_unsnappy, client_codec.snappy_encode(bytes(LIMIT + 1), xerial_blocksize=1000))


def test_several_members_of_gzip_are_one_batch_and_share_the_limit() -> None:
    members = client_codec.gzip_encode(b"a" * 600_000) + client_codec.gzip_encode(b"b" * 400_000)
    assert len(_gunzip(members, LIMIT)) == LIMIT
    decompression_limit.begin_fetch(1)
    with pytest.raises(BatchTooLarge):
        decompression_limit.decompress(_gunzip, members + client_codec.gzip_encode(b"c"))


def test_a_fetch_that_expanded_too_much_is_followed_by_smaller_ones_and_each_success_doubles_them() -> None:
    size = FetchSize()
    assert size.begin(2000) == 2000
    size.shrink(2000)
    assert size.begin(2000) == 250
    size.shrink(250)
    size.shrink(1)
    assert size.begin(2000) == 1
    for expected in (2, 4, 8):
        size.grow()
        assert size.begin(2000) == expected
    assert size.begin(1) == 1  # a search does not forget the size
    assert size.begin(2000) == 8
