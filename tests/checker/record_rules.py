"""Rules about records: each is stored in one place (S1, S2, S3), in the right one (S14, J1), as it was sent (S11)."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterator

from tests.checker.classify import STORABLE_TIMES_MS, Event, Reason
from tests.checker.log import Record
from tests.checker.step import Step, differences, partition_violation, record_violation, run_violation, shortened
from tests.checker.strict_json import Json, NotJson, parse
from tests.checker.tables import DeadLetterRow, EventRow
from tests.checker.violations import Rule, Violation


def completeness(step: Step) -> Iterator[Violation]:
    """S1: each passed record is an event, a dead letter or a repeat, and each resolved dead letter is an event."""
    for place in sorted({*step.outcome.events, *step.outcome.rejections}):
        if place not in step.events and place not in step.dead_letters:
            yield record_violation(Rule.COMPLETENESS, place, f"is not stored; it should be {step.expected(place)}")
    for place, why in step.outcome.wrongly_resolved.items():
        if place not in step.events:
            yield record_violation(Rule.COMPLETENESS, place, f"is a resolved dead letter, but {why}")


def unconsumed(step: Step) -> Iterator[Violation]:
    """S1 at the end of the log: each record has been passed."""
    for record in step.log.records:
        if not step.is_passed(record.place):
            yield record_violation(Rule.COMPLETENESS, record.place, "has not been consumed")


def invention(step: Step) -> Iterator[Violation]:
    """S2: each row comes from a visible record, partition or topic."""
    for place in sorted({*step.events, *step.dead_letters}):
        if not step.log.holds(place):
            yield record_violation(Rule.INVENTION, place, "has a row, but the log has no visible record there")
    for run_id in sorted(step.runs):
        if step.model.row(run_id) is None:
            yield run_violation(Rule.INVENTION, run_id, "has a row, but no event belongs to it or names it as a parent")
    for partition in sorted({row.partition for row in step.tables.offsets} - step.log.extents.keys()):
        yield partition_violation(Rule.INVENTION, partition, "has an offset, but the topic has no such partition")
    topics = {row.topic for row in step.tables.dead_letters} | {row.topic for row in step.tables.offsets}
    for topic in sorted(topics - {step.log.topic}):
        yield Violation(Rule.INVENTION, f"topic {topic!r}", f"has rows, but the log is {step.log.topic!r}")


def uniqueness(step: Step) -> Iterator[Violation]:
    """S3: a record has one row, a repeat has none, and an event id occurs once in its run."""
    rows = Counter({place: len(found) for place, found in step.events.items()})
    rows.update({place: len(found) for place, found in step.dead_letters.items()})
    resolved = {place for place, found in step.dead_letters.items() if any(row.state == "resolved" for row in found)}
    rows.subtract(resolved & step.events.keys())  # a resolved dead letter and its event count as one row
    for place, count in rows.items():
        if count > 1:
            yield record_violation(Rule.UNIQUENESS, place, f"has {count} rows")
    for place in sorted(step.outcome.repeats & step.events.keys()):
        yield record_violation(Rule.UNIQUENESS, place, "is a repeat, but is stored as an event")
    for (run_id, event_id), count in Counter((row.run_id, row.id) for row in step.tables.events).items():
        if count > 1:
            yield run_violation(Rule.UNIQUENESS, run_id, f"has {count} events of id {event_id!r}")


def purity(step: Step) -> Iterator[Violation]:
    """S14: each open or discarded dead letter is a rejected record, with the right reason."""
    # A record that is also an event is reported once, by `uniqueness`.
    for place in sorted(step.dead_letters.keys() - step.events.keys()):
        for row in step.dead_letters[place]:
            # The reason of a resolved dead letter may be that of former rules. `watermark` reports rows not passed yet.
            if row.state == "resolved" or not (step.is_passed(place) and step.log.holds(place)):
                continue
            reasons = step.model.reasons(place, retried=row.retries > 0) if place in step.model.rejections else ()
            if row.reason not in reasons:
                message = f"is a dead letter: {row.reason}; it should be {step.expected(place)}"
                yield record_violation(Rule.PURITY, place, message)


def validity(step: Step) -> Iterator[Violation]:
    """J1: no record is stored as an event that the contract rejects."""
    rejected = step.outcome.rejections.keys() - step.dead_letters.keys()
    for place in sorted(step.events.keys() & (rejected | step.outcome.wrongly_resolved.keys())):
        yield record_violation(Rule.VALIDITY, place, f"is an event; it should be {step.expected(place)}")


def fidelity(step: Step) -> Iterator[Violation]:
    """S11: the columns of each event and dead letter hold what was sent."""
    for place, event in step.outcome.events.items():
        for row in step.events.get(place, ()):
            yield from (record_violation(Rule.FIDELITY, place, each) for each in _event_differences(event, row))
    for place in step.dead_letters.keys() & step.model.rejections.keys():
        record = step.model.rejections[place].record
        for letter in step.dead_letters[place]:
            yield from (record_violation(Rule.FIDELITY, place, each) for each in _letter_differences(record, letter))


def _event_differences(event: Event, row: EventRow) -> Iterator[str]:
    yield from differences(
        ("id", row.id, event.id),
        ("run_id", row.run_id, event.run_id),
        ("parent_event_id", row.parent_event_id, event.text("parent_event_id")),
        ("event_type", row.event_type, event.type),
        ("created_at", row.created_at, event.record.timestamp),
        ("raw", row.raw, event.raw),
    )
    if not _is_same_json(row.event_data, event.data):
        yield f"event_data is {shortened(row.event_data)}, the record is {shortened(event.record.value)}"


def _letter_differences(record: Record, row: DeadLetterRow) -> Iterator[str]:
    if row.reason == Reason.UNREADABLE:
        yield from _skip_differences(record, row)
        return
    yield from differences(
        ("key", row.key, record.key),
        ("value", row.value, record.value),
        ("record_timestamp", row.record_timestamp, record.timestamp if record.timestamp in STORABLE_TIMES_MS else None),
    )
    headers: Json = [[name, None if value is None else b64encode(value).decode()] for name, value in record.headers]
    if not _is_same_json(row.headers, headers):
        yield f"headers is {shortened(row.headers)}, not {shortened(headers)}"


def _skip_differences(record: Record, row: DeadLetterRow) -> Iterator[str]:
    """The differences of a skipped record; of a whole batch, the value is the batch, which has no key."""
    if row.offset_count == 1 and row.key is not None:
        yield from differences(("key", row.key, record.key), ("value", row.value, record.value))


def _is_same_json(text: str, value: Json) -> bool:
    try:
        return parse(text).value == value
    except NotJson:
        return False  # the text comes from PostgreSQL, so it is JSON that is nested too deeply to be the record's
