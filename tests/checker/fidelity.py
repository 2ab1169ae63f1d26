"""What is stored is what was sent: S11."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator

from tests.checker.classify import TIMES, Event
from tests.checker.log import Record
from tests.checker.step import Case, at, differences, shown
from tests.checker.strict_json import Json, NotJson, parse
from tests.checker.tables import EventRow, LetterRow
from tests.checker.violations import Rule, Violation


def fidelity(case: Case) -> Iterator[Violation]:
    for place, event in case.step.events.items():
        for event_row in case.events.get(place, ()):
            yield from (at(Rule.FIDELITY, place, difference) for difference in _of_event(event, event_row))
    for place in case.letters.keys() & case.model.letters.keys():
        letter = case.model.letters[place]
        for letter_row in case.letters[place]:
            yield from (at(Rule.FIDELITY, place, difference) for difference in _of_letter(letter.record, letter_row))


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
        yield f"event_data is {shown(row.event_data)}, the record is {shown(event.record.value)}"


def _of_letter(record: Record, row: LetterRow) -> Iterator[str]:
    yield from differences(
        ("key", row.key, record.key),
        ("value", row.value, record.value),
        ("record_timestamp", row.record_timestamp, record.timestamp if record.timestamp in TIMES else None),
    )
    headers: Json = [[name, None if value is None else b64encode(value).decode()] for name, value in record.headers]
    if not _is_same_json(row.headers, headers):
        yield f"headers is {shown(row.headers)}, not {shown(headers)}"


def _is_same_json(text: str, value: Json) -> bool:
    try:
        return parse(text).value == value
    except NotJson:
        return False  # PostgreSQL spells no other JSON than we read, so this nests too deeply to be the record
