"""Encodes an event as a message. A payload value that JSON cannot express becomes `{"$repr": "…"}`."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType, structs

from agent_runs.codec.json_scan import MAX_DEPTH
from agent_runs.codec.lossy_json import dump_fast, dump_lossy
from agent_runs.codec.plain_values import PlainCopy, is_plain
from agent_runs.event_base import Role
from agent_runs.events import EVENT_CLASSES, Event, Json, RunEvent, UnknownEvent
from agent_runs.signal_safety import reraise_from_signal_handler

_PAYLOAD_FIELDS: Final[dict[type[Event], list[str]]] = {UnknownEvent: ["message"]} | {
    event_class: [field.name for field in msgspec.structs.fields(event_class) if field.type == Json]
    for event_class in EVENT_CLASSES.values()
}
_NO_FIELDS: Final[Mapping[str, Json]] = {}
_COMMON_FIELDS: Final = frozenset(Event.__struct_fields__)
# The types that the value of a checked field may have.
_CHECKED_TYPES: Final[dict[Any, tuple[type, ...]]] = {str: (str,), Role: (str, UnsetType)}
# The text fields and roles of each event class whose own fields are all text, payload or a role. The other classes have
# ids, counts or optional text, which `encode_checked` does not check.
_CHECKED_FIELDS: Final[dict[type[Event], list[tuple[str, tuple[type, ...]]]]] = {
    event_class: [
        (field.name, _CHECKED_TYPES[field.type])
        for field in msgspec.structs.fields(event_class)
        if field.type in _CHECKED_TYPES
    ]
    for event_class in EVENT_CLASSES.values()
    if all(
        field.type in (str, Json, Role)
        for field in msgspec.structs.fields(event_class)
        if field.name not in _COMMON_FIELDS
    )
}


def encode_event(event: RunEvent | UnknownEvent) -> bytes:
    """Encode an event as one JSON object in UTF-8. The further fields of a decoded event are encoded too.

    Args:
        event: an event whose payload fields may hold any Python object. An object that JSON cannot express, NaN, an
            infinity, and a number that PostgreSQL cannot store become `{"$repr": "…"}`; a lone surrogate becomes its
            escape.

    Returns:
        The message. It is JSON, but not necessarily a valid event: `decode_event` validates it.
    """
    text, _ = encode_checked(event)
    return text


def encode_checked(
    event: RunEvent | UnknownEvent, further_fields: Mapping[str, Json] | None = None
) -> tuple[bytes, bool]:
    """Return the message of an event, and whether it is known to be valid.

    True: the message is valid. False: unknown; call `read_envelope`, which takes five times as long as this check.

    Args:
        event: as for `encode_event`.
        further_fields: fields to add to the message. None of them may have the name of a field of the event's class,
            or `type`. None: those that the event was decoded with.
    """
    try:
        if _has_plain_payload(event):
            text = dump_fast(event.message if isinstance(event, UnknownEvent) else event)
            if further_fields is None:
                further_fields = _decoded_further_fields(event, text)
            if not further_fields:
                return text, _has_valid_fields(event)
            if is_plain(further_fields, MAX_DEPTH):
                return text[:-1] + b"," + dump_fast(further_fields)[1:], _has_valid_fields(event)
        return _encode_copy(event, further_fields, PlainCopy(MAX_DEPTH - 2))
    except Exception as error:  # noqa: BLE001  # msgspec refuses some values, and an agent's objects may raise anything
        reraise_from_signal_handler(error)
    try:
        return _encode_copy(event, further_fields, PlainCopy(MAX_DEPTH - 2, check_texts=True))
    except Exception as error:  # noqa: BLE001  # as above
        reraise_from_signal_handler(error)
        return encode_lossy(event, further_fields), False


def _has_plain_payload(event: RunEvent | UnknownEvent) -> bool:
    for field in _PAYLOAD_FIELDS[type(event)]:  # noqa: SIM110  # `all` takes longer, and this runs for every event
        if not is_plain(getattr(event, field), MAX_DEPTH - 1):
            return False
    return True


def _encode_copy(
    event: RunEvent | UnknownEvent, further_fields: Mapping[str, Json] | None, plain: PlainCopy
) -> tuple[bytes, bool]:
    """Encode a copy of the event in which replacements stand for what msgspec cannot encode."""
    if further_fields is None:
        further_fields = event.further_fields
    if isinstance(event, UnknownEvent):
        return dump_fast(plain.of({**event.message, **further_fields})), False
    names = event.__struct_fields__ if plain.checks_texts else _PAYLOAD_FIELDS[type(event)]
    fields = {field: getattr(event, field) for field in names if field != "timestamp"}
    copies = {field: plain.of(value) for field, value in fields.items() if value is not UNSET}
    text = dump_fast(structs.replace(event, **copies))
    if further_fields:
        text = text[:-1] + b"," + dump_fast(plain.of(further_fields))[1:]
    return text, plain.is_certain and _has_valid_fields(event)


def _decoded_further_fields(event: RunEvent | UnknownEvent, text: bytes) -> Mapping[str, Json]:
    """Return the further fields of a decoded event; none of an event that was constructed."""
    # The message of an `UnknownEvent` has all its fields. Equal texts prove that there are none, without parsing.
    if isinstance(event, UnknownEvent) or event.original in (None, text):
        return _NO_FIELDS
    return event.further_fields


def _has_valid_fields(event: Event) -> bool:
    """Whether all fields except the payload are known to satisfy the contract. False: unknown."""
    checked = _CHECKED_FIELDS.get(type(event))
    if checked is None or type(event.timestamp) is not datetime or event.timestamp.tzinfo is not UTC:
        return False
    for field, types in checked:
        if type(getattr(event, field)) not in types:
            return False
    return _is_short_id(event.id) and (event.parent_event_id is None or _is_short_id(event.parent_event_id))


def _is_short_id(text: object) -> bool:
    return type(text) is str and text.isalnum() and len(text) < 64  # 63 characters take at most 252 of the 255 bytes


def encode_lossy(event: RunEvent | UnknownEvent, further_fields: Mapping[str, Json] | None = None) -> bytes:
    """Encode an event in ASCII with `dump_lossy`, which accepts any payload and limits its depth.

    Args:
        event: as for `encode_event`.
        further_fields: as for `encode_checked`.
    """
    if isinstance(event, UnknownEvent):
        return dump_lossy({**event.message, **(further_fields or {})}).encode()
    if further_fields is None:
        further_fields = event.further_fields
    fields = {field: getattr(event, field) for field in event.__struct_fields__}
    present = {field: value for field, value in fields.items() if value is not UNSET}
    return dump_lossy({"type": event.type, **present, **further_fields}).encode()
