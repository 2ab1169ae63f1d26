"""Decodes a message: validates it against the contract, and builds its event.

msgspec decodes and validates in one pass, but it is stricter than JSON: it refuses lone surrogates, a repeated `type`,
and numbers beyond its types. A message that msgspec refuses is therefore decoded again with the standard library
(`strict_json`), and the second result counts.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final, Union, cast

import msgspec

from agent_runs.codec import strict_json
from agent_runs.codec.decode_fast import decode_fast, match_timestamp
from agent_runs.codec.json_scan import too_deep
from agent_runs.errors import InvalidEvent
from agent_runs.events import EVENT_CLASSES, Event, Json, RunEvent, UnknownEvent
from agent_runs.ids import id_problem
from agent_runs.labels import labels_problem


class Envelope(msgspec.Struct, kw_only=True, gc=False):
    """A validated event whose payload and free text stay undecoded bytes.

    The service needs no more, and building an envelope takes a quarter of the time of building an event. Each type of
    event has a subclass with the fields of the event.
    """

    type: ClassVar[str]
    id: str
    parent_event_id: str | None = None
    timestamp: str


class UnknownEnvelope(msgspec.Struct, kw_only=True, gc=False):
    """The envelope of a type that is not part of this version's contract."""

    type: str
    id: str
    parent_event_id: str | None = None
    timestamp: str


def _is_free_text(field: msgspec.structs.FieldInfo) -> bool:
    """Whether the field is a string that the service never uses, such as a prompt.

    Building these strings would take half of the decoding time. Those that the status depends on are built.
    """
    return field.type is str and field.name not in ("tool_name", "tool")


def _envelope_class(name: str, event_class: type[Event]) -> type[Envelope]:
    """Return the envelope class of a type, derived from its event class so that the contract is written once."""
    fields = [
        (field.name, msgspec.Raw if field.type == Json or _is_free_text(field) else field.type, field.default)
        for field in msgspec.structs.fields(event_class)
        if field.name not in Envelope.__struct_fields__
    ]
    options: dict[str, Any] = {"tag_field": "type", "tag": name, "kw_only": True, "gc": False}
    name_of_class = f"{event_class.__name__}Envelope"
    built = msgspec.defstruct(name_of_class, fields, bases=(Envelope,), namespace={"type": name}, **options)
    return cast("type[Envelope]", built)


ENVELOPE_CLASSES: Final = {name: _envelope_class(name, cls) for name, cls in EVENT_CLASSES.items()}
_decode_envelope = msgspec.json.Decoder(
    cast("type[Envelope]", Union[tuple(ENVELOPE_CLASSES.values())])  # noqa: UP007  # `|` takes no sequence
).decode
_decode_event = msgspec.json.Decoder(RunEvent).decode

_ID_FIELDS = {
    name: [f for f in ("id", "parent_event_id", "agent_id", "session_id", "parent_run_id") if hasattr(cls, f)]
    for name, cls in ENVELOPE_CLASSES.items()
}
_ID_FIELDS_OF_UNKNOWN = ["id", "type", "parent_event_id"]
_FREE_TEXT_FIELDS = {
    name: [field.name for field in msgspec.structs.fields(cls) if _is_free_text(field)]
    for name, cls in EVENT_CLASSES.items()
}
_TEXT_FIELDS = {
    name: [field.name for field in msgspec.structs.fields(cls) if field.type is str]
    for name, cls in EVENT_CLASSES.items()
}
_QUOTE: Final = ord('"')


def decode_event(value: bytes) -> RunEvent | UnknownEvent:
    """Decode and validate one message.

    Args:
        value: the value of a Kafka record: one JSON object in UTF-8.

    Returns:
        The event. Its `original` is `value` itself. A `type` that is not part of the contract gives an `UnknownEvent`.

    Raises:
        NotJson: `value` is not one JSON value, or is nested more than 512 deep.
        InvalidEvent: `value` is JSON but breaks the contract; the message names the field.
    """
    if (plain := decode_fast(value)) is not None:
        return plain
    envelope = read_envelope(value)
    event: RunEvent | UnknownEvent
    if isinstance(envelope, UnknownEnvelope):
        event = UnknownEvent(
            id=envelope.id,
            parent_event_id=envelope.parent_event_id,
            timestamp=datetime.fromisoformat(envelope.timestamp),
            name=envelope.type,
            message=strict_json.parse(value),
        )
    else:
        try:
            event = _decode_event(value)
        except msgspec.DecodeError:
            event = _build_event(envelope, strict_json.parse(value))
    event.__dict__["original"] = value
    return event


def decode_stored_event(value: bytes) -> RunEvent | UnknownEvent:
    """Decode a message that is already known to be valid, because it was validated before it was stored.

    Takes half of the time of `decode_event`. A message that msgspec refuses is validated by `decode_event`.

    Raises:
        UnreadableEvent: as for `decode_event`.
    """
    try:
        event: RunEvent = _decode_event(value)
    except (msgspec.DecodeError, RecursionError):
        return decode_event(value)
    event.__dict__["original"] = value
    return event


def _build_event(envelope: Envelope, message: dict[str, Any]) -> RunEvent:
    event_class = EVENT_CLASSES[envelope.type]
    known = {key: message[key] for key in event_class.__struct_fields__ if key in message}
    # msgspec rounds a fraction; at the end of the year 9999 that gives a time that does not exist. Python truncates it.
    known["timestamp"] = datetime.fromisoformat(envelope.timestamp)
    return cast("RunEvent", msgspec.convert(known, event_class))


def read_envelope(value: bytes) -> Envelope | UnknownEnvelope:
    """Validate one message, including its payload, and return its envelope.

    Raises:
        NotJson: `value` is not one JSON value, or is nested more than 512 deep.
        InvalidEvent: `value` is JSON but breaks the contract; the message names the field.
    """
    envelope = _decode_fast(value) or _decode_slow(value)
    _validate_fields(envelope, value)
    return envelope


def _decode_fast(value: bytes) -> Envelope | None:
    """Decode with msgspec. None if msgspec refuses the message, which does not mean that it breaks the contract."""
    try:
        envelope = _decode_envelope(value)
        if not value.isascii():
            value.decode()  # msgspec does not validate the UTF-8 of strings that it skips
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    free_text_bytes = 0
    for field in _FREE_TEXT_FIELDS[envelope.type]:
        text = memoryview(getattr(envelope, field))
        if text[0] != _QUOTE:
            return None
        free_text_bytes += len(text)
    return None if too_deep(value, free_text_bytes) else envelope


def _decode_slow(value: bytes) -> Envelope | UnknownEnvelope:
    """Decode with the standard library, and raise the error that names what is wrong."""
    message = strict_json.parse(value)
    if not isinstance(message, dict):
        raise InvalidEvent(f"expected an object, got {strict_json.json_type(message)}", value)
    name = message.get("type")
    if not isinstance(name, str):
        raise InvalidEvent(f"`type` must be a string, got {strict_json.json_type(name)}", value)
    envelope_class: type[Envelope | UnknownEnvelope] = ENVELOPE_CLASSES.get(name, UnknownEnvelope)
    fields = {field.name: field.type for field in msgspec.structs.fields(envelope_class)}
    # msgspec gets the contract's fields only: it raises no error of its own for a lone surrogate in another field's
    # name. A payload may be any JSON value, so only its presence is left to validate.
    known = {key: message[key] for key in fields if key in message}
    for key in _TEXT_FIELDS.get(name, ()):
        if not isinstance(known.get(key, ""), str):
            raise InvalidEvent(f"`{key}` must be a string, got {strict_json.json_type(known[key])}", value)
    known |= {key: msgspec.Raw(b"null") for key in known if fields[key] is msgspec.Raw}
    try:
        envelope: Envelope | UnknownEnvelope = msgspec.convert(known, envelope_class)
    except msgspec.ValidationError as error:
        raise InvalidEvent(str(error), value) from error
    except UnicodeEncodeError as error:
        raise InvalidEvent(
            f"`{_field_with_surrogate(known, fields)}` has text where another type must be", value
        ) from error
    return envelope


def _field_with_surrogate(known: Mapping[str, Any], fields: Mapping[str, Any]) -> str:
    """Return the field whose text msgspec cannot name: it has a lone surrogate, and the type is not text."""
    for key, value in known.items():
        try:
            msgspec.convert(value, fields[key])
        except UnicodeEncodeError:
            return key
        except msgspec.ValidationError:
            continue
    return "type"


def _validate_fields(envelope: Envelope | UnknownEnvelope, value: bytes) -> None:
    """Apply the rules that the field types do not express."""
    event_type = envelope.type
    for field in _ID_FIELDS.get(event_type, _ID_FIELDS_OF_UNKNOWN):
        text = getattr(envelope, field)
        if text is not None and (problem := id_problem(text)):
            raise InvalidEvent(f"`{field}` {problem}", value)
    if event_type == "run_started":
        labels: Mapping[str, str] | None = envelope.labels  # type: ignore[union-attr]  # a run_started has labels
        if labels and (problem := labels_problem(labels)):
            raise InvalidEvent(f"`labels` {problem}", value)
    try:
        datetime.fromisoformat(envelope.timestamp)
        is_timestamp = match_timestamp(envelope.timestamp) is not None
    except ValueError:  # for example the 30th of February
        is_timestamp = False
    if not is_timestamp:
        raise InvalidEvent("`timestamp` must be a time like 2026-01-31T23:59:59.5+00:00, with its offset or Z", value)
