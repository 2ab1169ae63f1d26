"""The stored offsets say exactly how far the tables are: S7. They only grow, S8, one batch behind the other, S9, and
each batch with its rows, S10."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from tests.checker.log import Place
from tests.checker.step import Case, at, differences, of_partition
from tests.checker.tables import MoveRow
from tests.checker.violations import Rule, Violation


def watermark(case: Case) -> Iterator[Violation]:
    lost = case.past.lost | {loss.partition for loss in case.tables.losses}
    for partition, row in case.offsets.items():
        if row.next_offset < case.past.offsets.get(partition, 0) or partition in lost:
            continue  # the one is said to be so by S8, and of what an operator gave up the log knows nothing
        for difference in _of_partition(case, partition):
            yield of_partition(Rule.WATERMARK, partition, difference)
    for place in sorted({*case.events, *case.letters}):
        # A place outside the log is an invention, and said to be one.
        if case.log.holds(place) and not case.is_passed(place):
            yield at(Rule.WATERMARK, place, "has a row, but the stored offset has not passed it")


def _of_partition(case: Case, partition: int) -> Iterator[str]:
    row, extent = case.offsets[partition], case.log.extents[partition]
    last_offset, last_timestamp = case.model.last.get(partition, (None, None))
    yield from differences(
        ("first_offset", row.first_offset, extent.begin),
        ("last_offset", row.last_offset, last_offset),
        ("last_timestamp", row.last_timestamp, last_timestamp),
        ("repeats", row.repeats, case.model.repeats[partition]),
    )
    # Between the last record and the end there may be markers of transactions: both positions are right.
    reached = extent.begin if last_offset is None else last_offset + 1
    if not reached <= row.next_offset <= extent.end:
        yield f"next_offset is {row.next_offset}, which is not from {reached} to {extent.end}"


def monotonic(case: Case) -> Iterator[Violation]:
    accepted = {(loss.partition, loss.resumed_at) for loss in case.tables.losses}
    steps = [(partition, begins, case.offsets[partition].next_offset) for partition, begins in _still_there(case)]
    steps += [(move.partition, move.begins, move.ends) for move in case.tables.moves or () if move.begins is not None]
    for partition, begins, ends in dict.fromkeys(steps):
        if ends < begins and (partition, ends) not in accepted:
            yield of_partition(Rule.MONOTONIC, partition, f"the stored offset went back from {begins} to {ends}")


def _still_there(case: Case) -> Iterator[tuple[int, int]]:
    return ((partition, begins) for partition, begins in case.past.offsets.items() if partition in case.offsets)


def single_writer(case: Case) -> Iterator[Violation]:
    if case.tables.moves is None:
        return
    moves = _moves(case.tables.moves)
    for partition, row in case.offsets.items():
        known = case.past.moved_to.get(partition)
        chain: list[tuple[int | None, int]] = [] if known is None else [(known, known)]
        chain += [(move.begins, move.ends) for move in moves.get(partition, ())]
        chain += [(row.next_offset, row.next_offset)] if chain else []
        for (_, ended), (begins, _) in pairwise(chain):
            if begins != ended:
                yield of_partition(
                    Rule.SINGLE_WRITER, partition, f"a batch ended at {ended}, the next begins at {begins}"
                )
    for place, writer in _written(case):
        own = [move for move in moves.get(place.partition, ()) if move.written_by == writer]
        if own and not any(_covers(move, place) for move in own):
            ranges = ", ".join(f"{move.begins} to {move.ends}" for move in own)
            yield at(Rule.SINGLE_WRITER, place, f"was written by a transaction whose batch is {ranges}")


def atomicity(case: Case) -> Iterator[Violation]:
    moves = _moves(case.tables.moves or ())
    for place, writer in _written(case):
        of_place = moves.get(place.partition, ())
        covering = [move.written_by for move in of_place if _covers(move, place)]
        if covering and not any(move.written_by == writer for move in of_place):
            message = f"was written by transaction {writer}, its offset was passed by {covering}"
            yield at(Rule.ATOMICITY, place, message)


def _moves(moves: Sequence[MoveRow]) -> Mapping[int, list[MoveRow]]:
    by_partition = defaultdict(list)
    for move in sorted(moves, key=lambda move: move.number):
        by_partition[move.partition].append(move)
    return dict(by_partition)


def _covers(move: MoveRow, place: Place) -> bool:
    return move.begins is not None and move.begins <= place.offset < move.ends


def _written(case: Case) -> Iterator[tuple[Place, int]]:
    """The rows that a batch wrote, and the transaction that did; none that an operator retried or discarded since."""
    for event in case.tables.events:
        place = Place(event.source_partition, event.source_offset)
        if event.written_by is not None and place not in case.retried:
            yield place, event.written_by
    for letter in case.tables.letters:
        if letter.written_by is not None and letter.state == "open" and letter.retries == 0:
            yield Place(letter.partition, letter.record_offset), letter.written_by
