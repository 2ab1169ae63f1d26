"""The binary COPY stream of `run_events`, joined by hand.

A driver's COPY encodes field by field through its codecs; here a payload goes from the record to the socket without
being touched, and what repeats within a batch (run ids, types) is encoded once. Source of the format: PostgreSQL
documentation, COPY, "Binary Format".
"""

from collections.abc import Iterable, Iterator
from functools import cache
from struct import Struct
from typing import Final

from consumer.model.records import Event

# Fixed-size fields first, so that one `pack` writes them all, and with them the length of the id.
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
_PIECE_BYTES: Final = 256 * 1024

_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_NULL: Final = b"\xff\xff\xff\xff"
JSONB_VERSION: Final = b"\x01"
_pack_fixed = Struct(">hiiiiiqiqi").pack
_pack_length = Struct(">i").pack
_pack_jsonb_prefix = Struct(">ic").pack

EPOCH_MS: Final = 946_684_800_000  # 2000-01-01, from which PostgreSQL counts, in Unix time


def encode_events(numbered: Iterable[tuple[Event, int]]) -> Iterator[bytes]:
    """The stream for events with their sequence numbers, in pieces of about 256 KiB."""
    text = cache(_text)  # within this stream: ids of runs come back, those of a whole day would fill the memory
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
        if size > _PIECE_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    parts.append(_TRAILER)
    yield b"".join(parts)


def _text(value: str) -> bytes:
    encoded = value.encode()
    return _pack_length(len(encoded)) + encoded
