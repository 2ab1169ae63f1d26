"""Slices keep every record exactly once and in order when they are merged, split or have events rejected."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agent_runs.codec.records import Reason
from consumer.ingest.decoding import decode
from consumer.model.batches import Slice
from consumer.model.claims import Claim
from consumer.model.records import Event, Rejection
from tests.support.builders import FakeRecord, event, rejection

CLAIM = Claim(0)


@st.composite
def slices(draw: st.DrawFn, start: int = 0) -> Slice:
    """A slice with gaps before, between and after its records."""
    offset, items = start, list[Event | Rejection]()
    for is_event in draw(st.lists(st.booleans(), max_size=8)):
        offset += draw(st.integers(0, 3))
        items.append(event(offset=offset, timestamp=1000 + offset) if is_event else rejection(offset=offset))
        offset += 1
    return Slice.of(CLAIM, start, offset + draw(st.integers(1, 3)), items)


def offsets(slice_: Slice) -> list[int]:
    return [item.record.offset for item in slice_.items()]


def test_a_slice_holds_events_and_rejections() -> None:
    first, second, third = event(offset=5), rejection(offset=7), event(offset=9, timestamp=77)
    slice_ = Slice.of(CLAIM, 4, 12, [first, second, third])

    assert (slice_.start_offset, slice_.end_offset, slice_.records) == (4, 12, 3)
    assert (slice_.events, slice_.rejections) == ([first, third], [second])
    assert slice_.fingerprint == (9, 77)
    assert slice_.size_bytes == sum(len(item.record.value or b"") + len(b"r1") for item in (first, second, third))
    assert slice_.items() == [first, second, third]


def test_a_slice_without_records_has_no_fingerprint() -> None:
    slice_ = Slice.of(CLAIM, 4, 12, [])

    assert (slice_.records, slice_.fingerprint, slice_.size_bytes) == (0, None, 0)


def test_the_size_of_a_record_includes_key_value_and_headers() -> None:
    record = FakeRecord(key=None, value=None)
    assert Slice.of(CLAIM, 0, 1, [decode(record, 1024)]).size_bytes == 0

    record = FakeRecord(key=b"k" * 300, value=b"v" * 50, headers=[("name", b"h" * 1000), ("null", None)])
    assert Slice.of(CLAIM, 0, 1, [decode(record, 1024)]).size_bytes == 300 + 50 + 4 + 1000 + 4


def test_a_timestamp_that_no_column_can_hold_is_zero_in_the_fingerprint() -> None:
    unstorable = Rejection(FakeRecord(offset=3, timestamp=2**62), Reason.STORE_REJECTED, "")

    assert Slice.of(CLAIM, 0, 4, [unstorable]).fingerprint == (3, 0)


@given(slices(), st.integers(1, 10))
def test_splitting_keeps_every_record_once_in_adjacent_slices(slice_: Slice, count: int) -> None:
    parts = slice_.split(count)

    assert [offset for part in parts for offset in offsets(part)] == offsets(slice_)
    assert [item for part in parts for item in part.items()] == slice_.items()
    assert (parts[0].start_offset, parts[-1].end_offset) == (slice_.start_offset, slice_.end_offset)
    assert all(one.end_offset == other.start_offset for one, other in pairwise(parts))
    assert all(part.start_offset <= offset < part.end_offset for part in parts for offset in offsets(part))
    assert sum(part.size_bytes for part in parts) == slice_.size_bytes
    assert parts[-1].fingerprint == slice_.fingerprint
    assert all(part.claim is CLAIM for part in parts)


@given(slices(), st.integers(1, 10))
def test_splitting_makes_slices_of_about_the_same_size(slice_: Slice, count: int) -> None:
    sizes = [part.records for part in slice_.split(count)]

    assert len(sizes) <= count
    assert max(sizes) == -(-slice_.records // count)
    assert slice_.records == 0 or min(sizes) > 0


@given(slices())
def test_splitting_into_as_many_slices_as_records_gives_slices_of_one_record(slice_: Slice) -> None:
    if slice_.records:
        assert [part.records for part in slice_.split(slice_.records)] == [1] * slice_.records


@given(slices(), st.data())
def test_extending_adds_all_records_of_the_following_slice(slice_: Slice, data: st.DataObject) -> None:
    start, size, before = slice_.start_offset, slice_.size_bytes, slice_.items()
    following = data.draw(slices(slice_.end_offset))
    last = following.fingerprint or slice_.fingerprint
    slice_.extend(following)

    assert (slice_.start_offset, slice_.end_offset) == (start, following.end_offset)
    assert slice_.items() == before + following.items()
    assert slice_.size_bytes == size + following.size_bytes
    assert slice_.fingerprint == last


@given(slices(), st.data())
def test_rejecting_events_keeps_every_record(slice_: Slice, data: st.DataObject) -> None:
    before, bounds = offsets(slice_), (slice_.start_offset, slice_.end_offset, slice_.fingerprint, slice_.size_bytes)
    bad = [item for item in slice_.events if data.draw(st.booleans())]
    kept = [item for item in slice_.events if item not in bad]
    letters = slice_.rejections + [Rejection(item.record, Reason.STORE_REJECTED, "no") for item in bad]
    slice_.reject(item for item in letters[len(slice_.rejections) :])

    assert slice_.events == kept
    assert slice_.rejections == letters
    assert offsets(slice_) == before
    assert (slice_.start_offset, slice_.end_offset, slice_.fingerprint, slice_.size_bytes) == bounds
