"""The parser for record batches that the Kafka client refuses, compared with the client's own."""

import os
import struct

import pytest
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchBuilderPy
from aiokafka.record.util import calc_crc32c

from agent_runs.kafka.decompression import decompression_limit
from agent_runs.kafka.errors import DamagedBatch
from agent_runs.kafka.record_batches import RecordBatch, first_batch, offset_after, parse_batch
from agent_runs.kafka.records import PlainRecord, Record, UnreadableRecord

BASE = 100
CODECS = (0, 1, 2, 3, 4)
CRC, CHECKED, FIRST_RECORD = 17, 21, 61  # where the CRC, what it covers, and the first record begin


class _NotUtf8(str):
    __slots__ = ()

    def encode(self, encoding: str = "", errors: str = "") -> bytes:
        return b"\xff"


def built(codec: int = 0, bad_header_in: int = -1) -> bytes:
    """A batch of four records, from offset 100 on."""
    builder = _DefaultRecordBatchBuilderPy(2, codec, 0, -1, -1, -1, 1_000_000)
    rows = [(b"run", b"value"), (None, None), (b"", b""), (b"k" * 200, os.urandom(20) * 1000)]
    for number, (key, value) in enumerate(rows):
        name = _NotUtf8("h") if number == bad_header_in else "h"
        builder.append(number, 1_700_000_000_000 - number, key, value, [(name, b"1"), ("", None)])
    return struct.pack(">q", BASE) + bytes(builder.build())[8:]


def signed(raw: bytearray) -> bytes:
    """The batch with the right CRC."""
    raw[CRC:CHECKED] = struct.pack(">I", calc_crc32c(bytes(raw[CHECKED:])))
    return bytes(raw)


def parsed(raw: bytes, start_offset: int = BASE) -> list[Record]:
    return parse_batch(7, first_batch(raw), start_offset)


@pytest.mark.parametrize("codec", CODECS)
def test_an_intact_batch_gives_the_records_that_the_client_gives(codec: int) -> None:
    raw = built(codec)
    expected = [
        PlainRecord(7, record.offset, record.timestamp, record.key, record.value, record.headers)
        for record in DefaultRecordBatch(raw)
    ]

    assert parsed(raw) == expected
    assert parsed(raw, BASE + 2) == expected[2:]


def test_a_record_with_a_wrong_header_name_is_unreadable_alone_and_keeps_its_bytes() -> None:
    first, second, third, fourth = parsed(built(bad_header_in=2))

    assert [type(record) for record in (first, second, fourth)] == [PlainRecord] * 3
    assert isinstance(third, UnreadableRecord)
    assert (third.offset, third.key, third.value, third.offset_count) == (BASE + 2, b"", b"", 1)
    assert third.headers == [("\ufffd", b"1"), ("", None)]
    assert "not UTF-8" in third.problem


def test_a_record_whose_fields_do_not_fit_is_unreadable_alone_with_its_raw_bytes() -> None:
    raw = bytearray(built())
    raw[FIRST_RECORD + 4] = 0x7E  # the length of the first key, beyond its record
    records = parsed(signed(raw))

    assert [record.offset for record in records] == [BASE, BASE + 1, BASE + 2, BASE + 3]
    assert isinstance(records[0], UnreadableRecord)
    assert (records[0].key, records[0].offset_count) == (None, 1)
    assert b"value" in (records[0].value or b"")


def test_a_record_of_impossible_length_makes_the_rest_of_its_batch_unreadable() -> None:
    raw = bytearray(built())
    raw[FIRST_RECORD] = 0x7F  # a negative length
    (rest,) = parsed(signed(raw))

    assert isinstance(rest, UnreadableRecord)
    assert (rest.offset, rest.offset_count, rest.value) == (BASE, 4, bytes(raw[FIRST_RECORD:]))


@pytest.mark.parametrize("codec", CODECS)
def test_a_batch_with_a_wrong_crc_is_unreadable_as_a_whole(codec: int) -> None:
    raw = bytearray(built(codec))
    raw[-1] ^= 1
    (rest,) = parsed(bytes(raw), BASE + 1)

    assert isinstance(rest, UnreadableRecord)
    assert (rest.offset, rest.offset_count, rest.value, rest.key) == (BASE + 1, 3, bytes(raw), None)
    assert "CRC" in rest.problem


def test_a_batch_of_an_unknown_codec_or_beyond_the_limit_is_unreadable_as_a_whole() -> None:
    raw = bytearray(built())
    raw[CHECKED + 1] |= 7
    (unknown,) = parsed(signed(raw))
    decompression_limit.set(10_000)
    try:
        (large,) = parsed(built(codec=4))
    finally:
        decompression_limit.set(1 << 25)

    assert isinstance(unknown, UnreadableRecord)
    assert isinstance(large, UnreadableRecord)
    assert "codec 7" in unknown.problem
    assert "AGENT_RUNS_MAX_DECOMPRESSED_BYTES" in large.problem


def test_the_first_batch_of_a_response_ends_where_its_header_says() -> None:
    raw = built()

    assert first_batch(raw + built()) == RecordBatch(BASE, BASE + 4, 1_700_000_000_000, raw)


@pytest.mark.parametrize("damage", [b"", bytes(30), bytes(100)])
def test_bytes_without_a_whole_header_are_refused(damage: bytes) -> None:
    with pytest.raises(DamagedBatch, match="record batch"):
        first_batch(damage)


def test_the_offset_after_the_complete_batches_of_a_response_is_found_without_parsing_records() -> None:
    batch = built()

    assert offset_after(batch, 0) == BASE + 4
    assert offset_after(batch + batch[:-1], 0) == BASE + 4
    assert offset_after(batch[:-1], 7) == 7
    assert offset_after(b"", 7) == 7
    assert offset_after(batch[:16] + b"\x01" + batch[17:], 7) == 7  # the format before Kafka 0.11
