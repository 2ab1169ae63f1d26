"""The binary COPY stream, parsed by a parser written from PostgreSQL's description of the format."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.model.records import Event
from consumer.postgres.copy_format import COLUMNS, encode_events
from tests.support.builders import event, message

SIGNATURE = b"PGCOPY\n\xff\r\n\x00"


class Row(NamedTuple):
    """One tuple of the stream, in the order of its columns."""

    event_seq: int
    source_partition: int
    source_offset: int
    created_at: datetime
    id: str
    run_id: str
    event_type: str
    parent_event_id: str | None
    raw: bytes | None
    event_data: bytes


def parse(stream: bytes) -> list[Row]:
    """Header (signature, flags, length of the extension), tuples (a field count, lengths and fields), trailer (-1)."""
    assert stream[:11] == SIGNATURE
    assert stream[11:19] == bytes(8)
    at, rows = 19, []
    while (fields := int.from_bytes(stream[at : at + 2], signed=True)) != -1:
        assert fields == len(COLUMNS)
        at += 2
        values = list[bytes | None]()
        for _ in range(fields):
            size = int.from_bytes(stream[at : at + 4], signed=True)
            at += 4
            values.append(None if size == -1 else stream[at : at + size])
            at += max(size, 0)
        rows.append(typed(values))
    assert stream[at + 2 :] == b"", "nothing follows the trailer"
    return rows


def typed(values: list[bytes | None]) -> Row:
    seq, partition, offset, created_at, event_id, run_id, event_type, parent, raw, data = values
    assert [len(value or b"") for value in (seq, partition, offset, created_at)] == [4, 4, 8, 8]
    assert data is not None
    assert data[:1] == b"\x01", "the version of JSONB's binary format"
    return Row(
        integer(seq),
        integer(partition),
        integer(offset),
        datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=integer(created_at)),
        text(event_id),
        text(run_id),
        text(event_type),
        None if parent is None else text(parent),
        raw,
        data[1:],
    )


def integer(value: bytes | None) -> int:
    assert value is not None
    return int.from_bytes(value, signed=True)


def text(value: bytes | None) -> str:
    assert value is not None
    return value.decode()


def encode(*numbered: tuple[Event, int]) -> list[Row]:
    return parse(b"".join(encode_events(numbered)))


def expected(event: Event, seq: int) -> Row:
    record, envelope = event.record, event.envelope
    created_at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=record.timestamp)
    ids = (envelope.id, event.run_id, envelope.type, envelope.parent_event_id)
    return Row(seq, record.partition, record.offset, created_at, *ids, event.raw, event.value)


def test_the_columns_are_in_the_order_of_the_stream() -> None:
    assert Row._fields == COLUMNS


def test_without_events_the_stream_is_a_header_and_a_trailer() -> None:
    assert b"".join(encode_events([])) == SIGNATURE + bytes(8) + b"\xff\xff"


def test_every_column_of_an_event_is_encoded() -> None:
    (row,) = encode(
        (event("run_waiting", run="ß😀", partition=3, offset=2**40, timestamp=1_769_903_999_123, id="é"), 7)
    )

    assert row == Row(
        7,
        3,
        2**40,
        datetime(2026, 1, 31, 23, 59, 59, 123000, tzinfo=UTC),
        "é",
        "ß😀",
        "run_waiting",
        None,
        None,
        message("run_waiting", id="é"),
    )


def test_null_and_empty_differ() -> None:
    plain, parented, changed = event(), event(parent_event_id="p"), event(data="\0")
    changed.raw, changed.value = changed.value, b"{}"
    empty = event()
    empty.raw = b""

    rows = encode((plain, 0), (parented, 1), (changed, 2), (empty, 3))

    assert [row.parent_event_id for row in rows] == [None, "p", None, None]
    assert [row.raw for row in rows] == [None, None, changed.raw, b""]
    assert rows[2].event_data == b"{}"


@pytest.mark.parametrize(
    "timestamp", [-62_135_596_800_000, -1, 0, 946_684_799_999, 946_684_800_000, 253_402_300_799_999]
)
def test_a_timestamp_counts_from_the_epoch_of_postgresql(timestamp: int) -> None:
    (row,) = encode((event(timestamp=timestamp), 0))

    assert row.created_at == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=timestamp)


ids = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60)
events = st.builds(
    event,
    st.sampled_from(["run_waiting", "brand_new"]),
    run=ids,
    id=ids,
    parent_event_id=st.none() | ids,
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(0, 2**63 - 1),
    timestamp=st.integers(-62_135_596_800_000, 253_402_300_799_999),
    reason=st.text(max_size=20),
)


@given(st.lists(st.tuples(events, st.integers(0, 2**31 - 1)), max_size=5))
def test_any_events_are_decoded_as_they_were_encoded(numbered: list[tuple[Event, int]]) -> None:
    assert encode(*numbered) == [expected(event, seq) for event, seq in numbered]


def test_a_long_stream_is_split_into_chunks_of_about_256_kib() -> None:
    events = [event(offset=offset, data="x" * 50_000) for offset in range(40)]
    chunks = list(encode_events(zip(events, range(40), strict=True)))

    assert all(256 * 1024 <= len(chunk) < 256 * 1024 + 60_000 for chunk in chunks[:-1])
    assert len(chunks) == 7
    assert [row.event_data for row in parse(b"".join(chunks))] == [event.value for event in events]


def test_the_stream_is_generated_lazily() -> None:
    def endless() -> Iterator[tuple[Event, int]]:
        while True:
            yield event(data="x" * 300_000), 0

    assert len(next(encode_events(endless()))) > 256 * 1024
