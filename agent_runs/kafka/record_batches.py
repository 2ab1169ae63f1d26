"""Parses the headers of record batches, and batches that the Kafka client refuses because of one record.

The format: https://kafka.apache.org/documentation/#recordbatch
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from aiokafka.record.default_records import DefaultRecordBase
from aiokafka.record.util import calc_crc32c, decode_varint
from msgspec import structs

from agent_runs.kafka.decompression import decompression_limit
from agent_runs.kafka.errors import DamagedBatch
from agent_runs.kafka.records import PlainRecord, Record, UnreadableRecord

_HEADER: Final = DefaultRecordBase.HEADER_STRUCT
_CHECKED_FROM: Final = DefaultRecordBase.ATTRIBUTES_OFFSET  # the CRC covers the bytes from here on
_BYTES_BEFORE_LENGTH_COUNTS: Final = DefaultRecordBase.AFTER_LEN_OFFSET
_MAGIC: Final = 2
_CODEC: Final = DefaultRecordBase.CODEC_MASK
_LOG_APPEND_TIME: Final = DefaultRecordBase.TIMESTAMP_TYPE_MASK


class RecordBatch(NamedTuple):
    """A record batch, as it is in the log.

    Attributes:
        offset: of its first record, before compaction.
        end_offset: the offset after its last record, before compaction.
        timestamp: the latest of its records, in milliseconds since 1970.
        data: all bytes, with the header.
    """

    offset: int
    end_offset: int
    timestamp: int
    data: bytes


def first_batch(data: bytes) -> RecordBatch:
    """Return the first batch of a fetch response.

    Raises:
        DamagedBatch: the bytes are not a batch of this format: the log is older than Kafka 0.11, or its index is
            damaged.
    """
    if len(data) < _HEADER.size:
        raise DamagedBatch(f"the broker returned {len(data)} bytes, less than the header of a record batch")
    offset, length, _, magic, _, _, last_offset_delta, _, timestamp, *_ = _HEADER.unpack_from(data)
    end = _BYTES_BEFORE_LENGTH_COUNTS + length
    if magic != _MAGIC or not _HEADER.size <= end <= len(data) or last_offset_delta < 0:
        raise DamagedBatch("the header of the record batch is damaged: the offset of the next batch is not known")
    return RecordBatch(offset, offset + last_offset_delta + 1, timestamp, data[:end])


def offset_after(data: bytes, offset: int) -> int:
    """Return the offset after the last complete batch of a fetch response; `offset` if it has none."""
    position = 0
    while position + _HEADER.size <= len(data):
        base_offset, length, _, magic, _, _, last_offset_delta, *_ = _HEADER.unpack_from(data, position)
        position += _BYTES_BEFORE_LENGTH_COUNTS + length
        if magic != _MAGIC or length < 0 or position > len(data):
            break  # the rest is incomplete, of an older format, or damaged
        offset = max(offset, base_offset + last_offset_delta + 1)
    return offset


def parse_batch(partition: int, batch: RecordBatch, start_offset: int) -> list[Record]:
    """Return the records of a batch from `start_offset` on.

    A record that cannot be parsed is an UnreadableRecord; so is the rest of a batch, or the whole batch, if its bytes
    cannot be split into records.
    """
    try:
        payload = _payload(batch)
    except Exception as error:  # noqa: BLE001  # each codec has its own errors; the caller needs the bytes in any case
        return [_unreadable_rest(partition, batch, start_offset, batch.data, f"its record batch: {error!r}")]
    return [record for record in _records(partition, batch, payload) if record.offset >= start_offset]


def _payload(batch: RecordBatch) -> bytes | bytearray:
    """Return the records of a batch, decompressed."""
    _, _, _, _, crc, attributes, *_ = _HEADER.unpack_from(batch.data)
    if calc_crc32c(batch.data[_CHECKED_FROM:]) != crc:
        raise ValueError("its CRC is wrong")
    decompression_limit.begin_fetch(1)
    return decompression_limit.decompress_codec(attributes & _CODEC, batch.data[_HEADER.size :])


def _records(partition: int, batch: RecordBatch, payload: bytes | bytearray) -> Iterator[Record]:
    """Yield the records; the rest of the batch as one unreadable record if its bytes cannot be split."""
    _, _, _, _, _, attributes, _, first_timestamp, *_, count = _HEADER.unpack_from(batch.data)
    buffer, position, offset = bytearray(payload), 0, batch.offset
    for _ in range(count):
        try:
            length, start = decode_varint(buffer, position)
            if length < 0 or start + length > len(buffer):
                raise ValueError(f"a record of {length} bytes, but {len(buffer) - start} bytes are left")  # noqa: TRY301
        except (IndexError, ValueError) as error:
            yield _unreadable_rest(partition, batch, offset, bytes(buffer[position:]), repr(error))
            return
        frame = _Frame(bytearray(buffer[start : start + length]), attributes, first_timestamp)
        record = frame.record(partition, batch, offset)
        yield record
        offset, position = record.offset + 1, start + length


def _unreadable_rest(partition: int, batch: RecordBatch, offset: int, raw: bytes, problem: str) -> UnreadableRecord:
    """Return a record that stands for all offsets of the batch from `offset` on."""
    record = UnreadableRecord.of_bytes(partition, offset, batch.timestamp, raw, problem)
    return structs.replace(record, offset_count=batch.end_offset - offset)


class _Frame:
    """The bytes of one record, without their length."""

    def __init__(self, buffer: bytearray, attributes: int, first_timestamp: int) -> None:
        self._buffer = buffer
        self._position = 1  # after the record's attributes, which are unused
        self._attributes = attributes
        self._first_timestamp = first_timestamp

    def record(self, partition: int, batch: RecordBatch, offset: int) -> Record:
        """Return the record; `offset` is its offset if its own cannot be parsed."""
        timestamp = batch.timestamp
        try:
            delta = self._varint()
            if not self._attributes & _LOG_APPEND_TIME:
                timestamp = self._first_timestamp + delta
            offset = batch.offset + self._varint()
            key, value = self._bytes(), self._bytes()
            headers, problem = self._headers()
        except (IndexError, ValueError) as error:
            return UnreadableRecord.of_bytes(partition, offset, timestamp, bytes(self._buffer), repr(error))
        if problem:
            return UnreadableRecord(partition, offset, timestamp, key, value, headers, problem)
        return PlainRecord(partition, offset, timestamp, key, value, headers)

    def _varint(self) -> int:
        number, self._position = decode_varint(self._buffer, self._position)
        return int(number)

    def _bytes(self) -> bytes | None:
        length = self._varint()
        if length < 0:
            return None
        start, self._position = self._position, self._position + length
        if self._position > len(self._buffer):
            raise ValueError(f"a field of {length} bytes, but {len(self._buffer) - start} bytes are left")
        return bytes(self._buffer[start : self._position])

    def _headers(self) -> tuple[list[tuple[str, bytes | None]], str]:
        """Return the headers, and what is wrong with them; empty if nothing is. A wrong name gets U+FFFD."""
        headers: list[tuple[str, bytes | None]] = []
        problem = ""
        for _ in range(self._varint()):
            name = self._bytes() or b""
            try:
                text = name.decode()
            except UnicodeDecodeError as error:
                text, problem = name.decode(errors="replace"), f"the name of a header is not UTF-8: {error}"
            headers.append((text, self._bytes()))
        if self._position != len(self._buffer):
            raise ValueError(f"{len(self._buffer) - self._position} bytes are left after the headers")
        return headers, problem
