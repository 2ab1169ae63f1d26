"""Classifies one record without the others: an event, or rejected for the first reason that applies.

Whether an event is a repeat or conflicts with a stored one depends on its run: see `model`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from hashlib import blake2b
from typing import NamedTuple

from tests.checker.contract import MAX_ID_BYTES, invalid_field
from tests.checker.log import Record
from tests.checker.strict_json import (
    Json,
    NotJson,
    Number,
    canonical,
    has_too_many_values,
    parse,
    storable_text,
)

MAX_EVENT_BYTES = 16 * 1024 * 1024
# The years 1 to 9999: what a timestamptz and the types of its readers, such as Python's datetime, can hold.
STORABLE_TIMES_MS = range(-62_135_596_800_000, 253_402_300_800_000)


class Reason(StrEnum):
    """Why a record becomes a dead letter, in the order in which the reasons are checked."""

    MISSING_KEY = "missing_key"
    INVALID_KEY = "invalid_key"
    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    INVALID_EVENT = "invalid_event"
    STORE_REJECTED = "store_rejected"
    EVENT_ID_CONFLICT = "event_id_conflict"
    UNREADABLE = "unreadable"  # an operator's decision: no record shows it


class Rejected(Exception):
    """The record is not an event, for `reason`."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class Content(NamedTuple):
    """Digests by which two events are compared; the model keeps them when the records are gone.

    Attributes:
        exact: of the record's bytes.
        json: of the value as JSONB; None if the event needs `raw`.
    """

    exact: bytes
    json: bytes | None

    def is_same(self, other: Content) -> bool:
        """Whether the bytes are identical, or the values are equal as JSONB and neither event needs `raw`."""
        return self.exact == other.exact or (self.json is not None and self.json == other.json)


@dataclass(frozen=True)
class Event:
    """An event as the tables should hold it.

    Attributes:
        data: event_data, with U+FFFD for each character that JSONB cannot hold.
        raw: the record's bytes, if `data` has such replacements; otherwise None.
    """

    record: Record
    run_id: str
    fields: Mapping[str, Json]
    data: Json
    raw: bytes | None

    def text(self, name: str) -> str | None:
        """A string field; None if it is null or absent."""
        value = self.fields.get(name)
        assert value is None or isinstance(value, str), name
        return value

    @property
    def id(self) -> str:
        return self.text("id") or ""

    @property
    def type(self) -> str:
        return self.text("type") or ""

    @property
    def dropped_count(self) -> int:
        """The `count` of an events_dropped event, 0 for any other event."""
        value = self.fields.get("count") if self.type == "events_dropped" else None
        return int(value.literal) if isinstance(value, Number) else 0

    @cached_property
    def content(self) -> Content:
        text = canonical(self.data) if self.raw is None else None
        return Content(_digest(self.record.value or b""), None if text is None else _digest(text.encode()))


def classify(record: Record, max_event_bytes: int = MAX_EVENT_BYTES) -> Event:
    """Parse and validate a record.

    Raises:
        Rejected: the record is not an event.
    """
    run_id = _run_id(record.key)
    text = _text(record.value or b"", max_event_bytes)
    try:
        document = parse(text)
    except NotJson as error:
        raise Rejected(Reason.NOT_JSON, str(error)) from error
    if not isinstance(document.value, dict):
        raise Rejected(Reason.INVALID_EVENT, "not an object")
    if name := invalid_field(document.value):
        raise Rejected(Reason.INVALID_EVENT, name)
    if record.timestamp not in STORABLE_TIMES_MS:
        raise Rejected(Reason.STORE_REJECTED, "a timestamp that timestamptz cannot hold")
    if not document.fits_jsonb:
        raise Rejected(Reason.STORE_REJECTED, "a number that JSONB cannot hold")
    storable = storable_text(text)
    if storable == text:
        return Event(record, run_id, document.value, document.value, None)
    return Event(record, run_id, document.value, parse(storable).value, record.value)


def _run_id(key: bytes | None) -> str:
    if not key:
        raise Rejected(Reason.MISSING_KEY, "null" if key is None else "empty")
    if len(key) > MAX_ID_BYTES or b"\0" in key:
        raise Rejected(Reason.INVALID_KEY, f"{len(key)} bytes")
    try:
        return key.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Rejected(Reason.INVALID_KEY, "not UTF-8") from error


def _text(value: bytes, max_event_bytes: int) -> str:
    if len(value) > max_event_bytes:
        raise Rejected(Reason.TOO_LARGE, f"{len(value)} bytes")
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Rejected(Reason.NOT_JSON, "not UTF-8") from error
    if has_too_many_values(text):
        raise Rejected(Reason.TOO_LARGE, "too many values")
    return text


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()
