"""Every record in exactly one place, and in the right one: S1, S2, S3, S14 and J1."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterator

from tests.checker.classify import STORABLE_TIMES_MS, Event
from tests.checker.log import Place, Record
from tests.checker.step import Step, at, differences, partition_violation, run_violation, shortened
from tests.checker.strict_json import Json, NotJson, parse
from tests.checker.tables import DeadLetterRow, EventRow
from tests.checker.violations import Rule, Violation


def completeness(step: Step) -> Iterator[Violation]:
    for place in sorted({*step.outcome.events, *step.outcome.rejections}):
        if place not in step.events and place not in step.dead_letters:
            yield at(Rule.COMPLETENESS, place, f"is nowhere; it should be {step.expected(place)}")
    for place, why in step.outcome.wrongly_resolved.items():
        if place not in step.events:
            yield at(Rule.COMPLETENESS, place, f"is a letter that is said to be resolved, but {why}")


def unconsumed(step: Step) -> Iterator[Violation]:
    """Asked only where the whole log is said to have been consumed."""
    for record in step.log.records:
        if not step.is_passed(record.place):
            yield at(Rule.COMPLETENESS, record.place, "has not been consumed")


def invention(step: Step) -> Iterator[Violation]:
    for place in sorted({*step.events, *step.dead_letters}):
        if not step.log.holds(place):
            yield at(Rule.INVENTION, place, "has a row, but no record that a reader can see")
    for run_id in sorted(step.runs):
        if step.model.row(run_id) is None:
            yield run_violation(Rule.INVENTION, run_id, "no event is of it or names it as a parent")
    for partition in sorted({row.partition for row in step.tables.offsets} - step.log.extents.keys()):
        yield partition_violation(Rule.INVENTION, partition, "has an offset, but the topic has no such partition")
    topics = {row.topic for row in step.tables.dead_letters} | {row.topic for row in step.tables.offsets}
    for topic in sorted(topics - {step.log.topic}):
        yield Violation(Rule.INVENTION, f"topic {topic!r}", f"has rows, but the log is {step.log.topic!r}")


def uniqueness(step: Step) -> Iterator[Violation]:
    rows = Counter({place: len(found) for place, found in step.events.items()})
    rows.update({place: len(found) for place, found in step.dead_letters.items()})
    resolved = {place for place, found in step.dead_letters.items() if any(row.state == "resolved" for row in found)}
    rows.subtract(resolved & step.events.keys())  # an event and the letter that it was are one place
    for place, count in rows.items():
        if count > 1:
            yield at(Rule.UNIQUENESS, place, f"is in {count} places")
    for place in sorted(step.outcome.repeats & step.events.keys()):
        yield at(Rule.UNIQUENESS, place, "is a repeat, and stored as an event of its own")
    for (run_id, event_id), count in Counter((row.run_id, row.id) for row in step.tables.events).items():
        if count > 1:
            yield run_violation(Rule.UNIQUENESS, run_id, f"has {count} events of id {event_id!r}")


def purity(step: Step) -> Iterator[Violation]:
    # A record that is an event as well is reported once, as being in two places.
    for place in sorted(step.dead_letters.keys() - step.events.keys()):
        for row in step.dead_letters[place]:
            if row.state == "resolved" or not _is_judged(step, place):
                continue  # what it was refused for under former rules is history; above the offset nothing is judged
            if place not in step.model.rejections or row.reason not in step.model.reasons(
                place, retried=row.retries > 0
            ):
                message = f"is a dead letter: {row.reason}; it should be {step.expected(place)}"
                yield at(Rule.PURITY, place, message)


def _is_judged(step: Step, place: Place) -> bool:
    return step.is_passed(place) and step.log.holds(place)


def validity(step: Step) -> Iterator[Violation]:
    refused = step.outcome.rejections.keys() - step.dead_letters.keys()
    for place in sorted(step.events.keys() & (refused | step.outcome.wrongly_resolved.keys())):
        yield at(Rule.VALIDITY, place, f"is an event; it should be {step.expected(place)}")


def fidelity(step: Step) -> Iterator[Violation]:
    for place, event in step.outcome.events.items():
        for event_row in step.events.get(place, ()):
            yield from (at(Rule.FIDELITY, place, difference) for difference in _of_event(event, event_row))
    for place in step.dead_letters.keys() & step.model.rejections.keys():
        letter = step.model.rejections[place]
        for row_ in step.dead_letters[place]:
            yield from (at(Rule.FIDELITY, place, difference) for difference in _of_letter(letter.record, row_))


def _of_event(event: Event, row: EventRow) -> Iterator[str]:
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


def _of_letter(record: Record, row: DeadLetterRow) -> Iterator[str]:
    yield from differences(
        ("key", row.key, record.key),
        ("value", row.value, record.value),
        ("record_timestamp", row.record_timestamp, record.timestamp if record.timestamp in STORABLE_TIMES_MS else None),
    )
    headers: Json = [[name, None if value is None else b64encode(value).decode()] for name, value in record.headers]
    if not _is_same_json(row.headers, headers):
        yield f"headers is {shortened(row.headers)}, not {shortened(headers)}"


def _is_same_json(text: str, value: Json) -> bool:
    try:
        return parse(text).value == value
    except NotJson:
        return False  # PostgreSQL spells no other JSON than we read, so this nests too deeply to be the record
