"""Encodes events as the binary COPY stream of `run_events`.

asyncpg's own `copy_records_to_table` encodes every field with a codec, which is slower. Here the bytes of a payload are
passed on unchanged, and run ids and types, which repeat within a batch, are encoded once. Source of the format:
PostgreSQL documentation, COPY, "Binary Format".
"""

from collections.abc import Iterable, Iterator
from functools import cache
from struct import Struct
from typing import Final

from consumer.model.records import Event

# Fields of fixed size come first, so that one `pack` writes them all, together with the length of the id.
COLUMNS: Final = (
    "event_seq",
    "source_partition",
    "source_offset",
    "created_at",
    "id",
    "run_id",
    "event_type",
    "parent_event_id",
    "raw",
    "event_data",
)
_CHUNK_BYTES: Final = 256 * 1024

_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_NULL: Final = b"\xff\xff\xff\xff"
JSONB_VERSION: Final = b"\x01"
_pack_fixed = Struct(">hiiiiiqiqi").pack
_pack_length = Struct(">i").pack
_pack_jsonb_prefix = Struct(">ic").pack

EPOCH_MS: Final = 946_684_800_000  # PostgreSQL's epoch, 2000-01-01, in milliseconds since 1970


def encode_events(numbered: Iterable[tuple[Event, int]]) -> Iterator[bytes]:
    """Yield the stream of events with their sequence numbers, in chunks of about 256 KiB."""
    text = cache(_text)  # for this stream only: a cache of all run ids would grow without limit
    parts, size = [_HEADER], 0
    for event, seq in numbered:
        envelope, record, raw, value = event.envelope, event.record, event.raw, event.value
        created_at_us = (record.timestamp - EPOCH_MS) * 1000
        event_id = envelope.id.encode()
        parent = envelope.parent_event_id
        parts += (
            _pack_fixed(len(COLUMNS), 4, seq, 4, record.partition, 8, record.offset, 8, created_at_us, len(event_id)),
            event_id,
            text(event.run_id),
            text(envelope.type),
            _NULL if parent is None else _text(parent),
            _NULL if raw is None else _pack_length(len(raw)) + raw,
            _pack_jsonb_prefix(len(value) + 1, JSONB_VERSION),
            value,
        )
        size += len(value)
        if size > _CHUNK_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    parts.append(_TRAILER)
    yield b"".join(parts)


def _text(value: str) -> bytes:
    encoded = value.encode()
    return _pack_length(len(encoded)) + encoded
