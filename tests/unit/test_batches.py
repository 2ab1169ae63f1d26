"""Slices keep every record exactly once, in order, whatever is done to them."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from consumer.ingest.decoding import decode
from consumer.model.batches import Slice
from consumer.model.claims import Claim
from consumer.model.records import Event, Reason, Rejection
from tests.support.builders import FakeRecord, event, letter

CLAIM = Claim(0)


@st.composite
def slices(draw: st.DrawFn, begins: int = 0) -> Slice:
    """A slice with gaps between its records, before them and behind them."""
    offset, judged = begins, list[Event | Rejection]()
    for is_event in draw(st.lists(st.booleans(), max_size=8)):
        offset += draw(st.integers(0, 3))
        judged.append(event(offset=offset, timestamp=1000 + offset) if is_event else letter(offset=offset))
        offset += 1
    return Slice.of(CLAIM, begins, offset + draw(st.integers(1, 3)), judged)


def offsets(piece: Slice) -> list[int]:
    return [item.record.offset for item in piece.judged()]


def test_a_slice_of_records_knows_what_it_holds() -> None:
    first, second, third = event(offset=5), letter(offset=7), event(offset=9, timestamp=77)
    piece = Slice.of(CLAIM, 4, 12, [first, second, third])

    assert (piece.begins, piece.ends, piece.records) == (4, 12, 3)
    assert (piece.events, piece.letters) == ([first, third], [second])
    assert piece.last == (9, 77)
    assert piece.size_bytes == sum(len(item.record.value or b"") + len(b"r1") for item in (first, second, third))
    assert piece.judged() == [first, second, third]


def test_a_slice_without_records_has_no_fingerprint() -> None:
    piece = Slice.of(CLAIM, 4, 12, [])

    assert (piece.records, piece.last, piece.size_bytes) == (0, None, 0)


def test_a_record_has_the_size_of_all_that_is_in_it() -> None:
    record = FakeRecord(key=None, value=None)
    assert Slice.of(CLAIM, 0, 1, [decode(record, 1024)]).size_bytes == 0

    record = FakeRecord(key=b"k" * 300, value=b"v" * 50, headers=[("name", b"h" * 1000), ("null", None)])
    assert Slice.of(CLAIM, 0, 1, [decode(record, 1024)]).size_bytes == 300 + 50 + 4 + 1000 + 4


def test_a_timestamp_that_no_column_can_hold_counts_as_nothing_in_the_fingerprint() -> None:
    unheard_of = Rejection(FakeRecord(offset=3, timestamp=2**62), Reason.STORE_REJECTED, "")

    assert Slice.of(CLAIM, 0, 4, [unheard_of]).last == (3, 0)


@given(slices(), st.integers(1, 10))
def test_splitting_keeps_every_record_once_in_adjacent_slices(piece: Slice, pieces: int) -> None:
    parts = piece.split(pieces)

    assert [offset for part in parts for offset in offsets(part)] == offsets(piece)
    assert [item for part in parts for item in part.judged()] == piece.judged()
    assert (parts[0].begins, parts[-1].ends) == (piece.begins, piece.ends)
    assert all(one.ends == other.begins for one, other in pairwise(parts))
    assert all(part.begins <= offset < part.ends for part in parts for offset in offsets(part))
    assert sum(part.size_bytes for part in parts) == piece.size_bytes
    assert parts[-1].last == piece.last
    assert all(part.claim is CLAIM for part in parts)


@given(slices(), st.integers(1, 10))
def test_splitting_makes_slices_of_about_the_same_size(piece: Slice, pieces: int) -> None:
    sizes = [part.records for part in piece.split(pieces)]

    assert len(sizes) <= pieces
    assert max(sizes) == -(-piece.records // pieces)
    assert piece.records == 0 or min(sizes) > 0


@given(slices())
def test_splitting_into_as_many_as_there_are_records_leaves_one_each(piece: Slice) -> None:
    if piece.records:
        assert [part.records for part in piece.split(piece.records)] == [1] * piece.records


@given(slices(), st.data())
def test_extending_takes_in_all_of_what_follows(piece: Slice, data: st.DataObject) -> None:
    begins, size, before = piece.begins, piece.size_bytes, piece.judged()
    following = data.draw(slices(piece.ends))
    last = following.last or piece.last
    piece.extend(following)

    assert (piece.begins, piece.ends) == (begins, following.ends)
    assert piece.judged() == before + following.judged()
    assert piece.size_bytes == size + following.size_bytes
    assert piece.last == last


@given(slices(), st.data())
def test_setting_aside_makes_letters_of_events_and_loses_none(piece: Slice, data: st.DataObject) -> None:
    before, bounds = offsets(piece), (piece.begins, piece.ends, piece.last, piece.size_bytes)
    bad = [item for item in piece.events if data.draw(st.booleans())]
    kept = [item for item in piece.events if item not in bad]
    letters = piece.letters + [Rejection(item.record, Reason.STORE_REJECTED, "no") for item in bad]
    piece.set_aside(item for item in letters[len(piece.letters) :])

    assert piece.events == kept
    assert piece.letters == letters
    assert offsets(piece) == before
    assert (piece.begins, piece.ends, piece.last, piece.size_bytes) == bounds
