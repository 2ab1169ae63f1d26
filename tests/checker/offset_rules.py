"""The stored offsets say exactly how far the tables are: S7. They only grow, S8, one batch behind the other, S9, and
each batch with its rows, S10."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from tests.checker.log import Place
from tests.checker.step import Step, at, differences, partition_violation
from tests.checker.tables import MoveRow
from tests.checker.violations import Rule, Violation


def watermark(step: Step) -> Iterator[Violation]:
    lost = step.previous.lost | {loss.partition for loss in step.tables.losses}
    for partition, row in step.offsets.items():
        if row.next_offset < step.previous.offsets.get(partition, 0) or partition in lost:
            continue  # the one is said to be so by S8, and of what an operator gave up the log knows nothing
        for difference in _of_partition(step, partition):
            yield partition_violation(Rule.WATERMARK, partition, difference)
    for place in sorted({*step.events, *step.dead_letters}):
        # A place outside the log is an invention, and said to be one.
        if step.log.holds(place) and not step.is_passed(place):
            yield at(Rule.WATERMARK, place, "has a row, but the stored offset has not passed it")


def _of_partition(step: Step, partition: int) -> Iterator[str]:
    row, extent = step.offsets[partition], step.log.extents[partition]
    last_offset, last_timestamp = step.model.last.get(partition, (None, None))
    yield from differences(
        ("first_offset", row.first_offset, extent.begin),
        ("last_offset", row.last_offset, last_offset),
        ("last_timestamp", row.last_timestamp, last_timestamp),
        ("repeats", row.repeats, step.model.repeats[partition]),
    )
    # Between the last record and the end there may be markers of transactions: both positions are right.
    reached = extent.begin if last_offset is None else last_offset + 1
    if not reached <= row.next_offset <= extent.end:
        yield f"next_offset is {row.next_offset}, which is not from {reached} to {extent.end}"


def monotonic(step: Step) -> Iterator[Violation]:
    accepted = {(loss.partition, loss.resumed_at) for loss in step.tables.losses}
    steps = [(partition, begins, step.offsets[partition].next_offset) for partition, begins in _still_there(step)]
    steps += [(move.partition, move.begins, move.ends) for move in step.tables.moves or () if move.begins is not None]
    for partition, begins, ends in dict.fromkeys(steps):
        if ends < begins and (partition, ends) not in accepted:
            yield partition_violation(Rule.MONOTONIC, partition, f"the stored offset went back from {begins} to {ends}")


def _still_there(step: Step) -> Iterator[tuple[int, int]]:
    return ((partition, begins) for partition, begins in step.previous.offsets.items() if partition in step.offsets)


def single_writer(step: Step) -> Iterator[Violation]:
    if step.tables.moves is None:
        return
    moves = _moves(step.tables.moves)
    for partition, row in step.offsets.items():
        not_none = step.previous.moved_to.get(partition)
        chain: list[tuple[int | None, int]] = [] if not_none is None else [(not_none, not_none)]
        chain += [(move.begins, move.ends) for move in moves.get(partition, ())]
        chain += [(row.next_offset, row.next_offset)] if chain else []
        for (_, ended), (begins, _) in pairwise(chain):
            if begins != ended:
                yield partition_violation(
                    Rule.SINGLE_WRITER, partition, f"a batch ended at {ended}, the next begins at {begins}"
                )
    for place, writer in _written(step):
        own = [move for move in moves.get(place.partition, ()) if move.written_by == writer]
        if own and not any(_covers(move, place) for move in own):
            ranges = ", ".join(f"{move.begins} to {move.ends}" for move in own)
            yield at(Rule.SINGLE_WRITER, place, f"was written by a transaction whose batch is {ranges}")


def atomicity(step: Step) -> Iterator[Violation]:
    moves = _moves(step.tables.moves or ())
    for place, writer in _written(step):
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


def _written(step: Step) -> Iterator[tuple[Place, int]]:
    """The rows that a batch wrote, and the transaction that did; none that an operator retried or discarded since."""
    for event in step.tables.events:
        place = Place(event.source_partition, event.source_offset)
        if event.written_by is not None and place not in step.retried:
            yield place, event.written_by
    for letter in step.tables.dead_letters:
        if letter.written_by is not None and letter.state == "open" and letter.retries == 0:
            yield Place(letter.partition, letter.record_offset), letter.written_by
