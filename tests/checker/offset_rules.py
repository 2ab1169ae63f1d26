"""Rules about stored offsets: they match the tables (S7), never decrease (S8), move in adjacent batches (S9), and
each move commits together with its rows (S10)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from tests.checker.log import Place
from tests.checker.step import Step, differences, partition_violation, record_violation
from tests.checker.tables import MoveRow
from tests.checker.violations import Rule, Violation


def watermark(step: Step) -> Iterator[Violation]:
    """S7: the columns of consumer_offsets match the log, and no row is above the stored offset."""
    lost = step.previous.lost | {loss.partition for loss in step.tables.losses}
    for partition, row in step.offsets.items():
        if row.next_offset < step.previous.offsets.get(partition, 0) or partition in lost:
            continue  # S8 reports the decrease; the records of an accepted loss are not in the log
        for difference in _offset_differences(step, partition):
            yield partition_violation(Rule.WATERMARK, partition, difference)
    for place in sorted({*step.events, *step.dead_letters}):
        # S2 reports a row whose place is not in the log.
        if step.log.holds(place) and not step.is_passed(place):
            yield record_violation(Rule.WATERMARK, place, "has a row, but the stored offset has not passed it")


def _offset_differences(step: Step, partition: int) -> Iterator[str]:
    row, extent = step.offsets[partition], step.log.extents[partition]
    last_offset, last_timestamp = step.model.last_records.get(partition, (None, None))
    yield from differences(
        ("first_offset", row.first_offset, extent.start),
        ("last_offset", row.last_offset, last_offset),
        ("last_timestamp", row.last_timestamp, last_timestamp),
        ("repeats", row.repeats, step.model.repeats[partition]),
    )
    # Transaction markers may follow the last record: every offset from there to the end is right.
    least = extent.start if last_offset is None else last_offset + 1
    if not least <= row.next_offset <= extent.end:
        yield f"next_offset is {row.next_offset}, not between {least} and {extent.end}"


def monotonic(step: Step) -> Iterator[Violation]:
    """S8: no stored offset decreases, between snapshots or in an audited move, except by an accepted loss."""
    accepted = {(loss.partition, loss.resumed_at) for loss in step.tables.losses}
    changes = [
        (partition, start, step.offsets[partition].next_offset)
        for partition, start in step.previous.offsets.items()
        if partition in step.offsets
    ]
    changes += [
        (move.partition, move.from_offset, move.to_offset)
        for move in step.tables.moves or ()
        if move.from_offset is not None
    ]
    for partition, start, end in dict.fromkeys(changes):
        if end < start and (partition, end) not in accepted:
            yield partition_violation(Rule.MONOTONIC, partition, f"the stored offset decreased from {start} to {end}")


def single_writer(step: Step) -> Iterator[Violation]:
    """S9: audited moves are adjacent, and a transaction writes only rows of the range that it moves over."""
    if step.tables.moves is None:
        return
    moves = _moves_by_partition(step.tables.moves)
    for partition, row in step.offsets.items():
        last = step.previous.moved_to.get(partition)
        ranges: list[tuple[int | None, int]] = [] if last is None else [(last, last)]
        ranges += [(move.from_offset, move.to_offset) for move in moves.get(partition, ())]
        ranges += [(row.next_offset, row.next_offset)] if ranges else []
        for (_, end), (start, _) in pairwise(ranges):
            if start != end:
                message = f"a batch ended at {end}, but the next one starts at {start}"
                yield partition_violation(Rule.SINGLE_WRITER, partition, message)
    for place, writer in _batch_rows(step):
        own = [move for move in moves.get(place.partition, ()) if move.written_by == writer]
        if own and not any(_covers(move, place) for move in own):
            batches = ", ".join(f"{move.from_offset} to {move.to_offset}" for move in own)
            yield record_violation(Rule.SINGLE_WRITER, place, f"was written by a transaction whose batch is {batches}")


def atomicity(step: Step) -> Iterator[Violation]:
    """S10: the transaction that wrote a row has moved the partition's offset."""
    moves = _moves_by_partition(step.tables.moves or ())
    for place, writer in _batch_rows(step):
        of_partition = moves.get(place.partition, ())
        covering = [move.written_by for move in of_partition if _covers(move, place)]
        if covering and not any(move.written_by == writer for move in of_partition):
            message = f"was written by transaction {writer}, but transaction {covering} moved the offset past it"
            yield record_violation(Rule.ATOMICITY, place, message)


def _moves_by_partition(moves: Sequence[MoveRow]) -> Mapping[int, list[MoveRow]]:
    by_partition = defaultdict(list)
    for move in sorted(moves, key=lambda move: move.number):
        by_partition[move.partition].append(move)
    return dict(by_partition)


def _covers(move: MoveRow, place: Place) -> bool:
    return move.from_offset is not None and move.from_offset <= place.offset < move.to_offset


def _batch_rows(step: Step) -> Iterator[tuple[Place, int]]:
    """The rows written by batches, with their transactions; without rows that an operator has retried or discarded."""
    for event in step.tables.events:
        place = Place(event.source_partition, event.source_offset)
        if event.written_by is not None and place not in step.retried:
            yield place, event.written_by
    for letter in step.tables.dead_letters:
        if letter.written_by is not None and letter.state == "open" and letter.retries == 0:
            yield Place(letter.partition, letter.record_offset), letter.written_by
