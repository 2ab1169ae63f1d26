"""From a message's bytes to an event: the contract's judgement, and nothing else.

Two decoders, one verdict. msgspec is fast, and in places stricter than JSON (it refuses lone surrogates, a second
`type`, numbers beyond its types); what it refuses is read once more with the standard library, whose word is final.
"""

import json
import math
import re
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, Final, Union, cast

import msgspec

from agent_runs.codec.scan import MAX_DEPTH, too_deep
from agent_runs.errors import InvalidEvent, NotJson
from agent_runs.events import EVENT_CLASSES, Event, Json, RunEvent, UnknownEvent
from agent_runs.ids import id_problem


class Envelope(msgspec.Struct, kw_only=True, gc=False):
    """An event whose payload was checked but not built: all that storing it takes, for a quarter of the time."""

    type: ClassVar[str]
    id: str
    parent_event_id: str | None = None
    timestamp: str


class UnknownEnvelope(msgspec.Struct, kw_only=True, gc=False):
    """The same for a type that this version does not know."""

    type: str
    id: str
    parent_event_id: str | None = None
    timestamp: str


def _is_prose(field: msgspec.structs.FieldInfo) -> bool:
    """Whether it is a string that only readers look at, such as a prompt: to build it would be half of the work."""
    return field.type is str and field.name != "tool_name"  # which the status is folded from


def _envelope_class(name: str, event_class: type[Event]) -> type[Envelope]:
    """The event's own fields again, so that the contract is written once: payloads and prose as bytes."""
    fields = [
        (field.name, msgspec.Raw if field.type == Json or _is_prose(field) else field.type, field.default)
        for field in msgspec.structs.fields(event_class)
        if field.name not in Envelope.__struct_fields__
    ]
    options: dict[str, Any] = {"tag_field": "type", "tag": name, "kw_only": True, "gc": False}
    name_of_class = f"{event_class.__name__}Envelope"
    built = msgspec.defstruct(name_of_class, fields, bases=(Envelope,), namespace={"type": name}, **options)
    return cast("type[Envelope]", built)


ENVELOPE_CLASSES: Final = {name: _envelope_class(name, cls) for name, cls in EVENT_CLASSES.items()}
_decode_envelope = msgspec.json.Decoder(
    cast("type[Envelope]", Union[tuple(ENVELOPE_CLASSES.values())])  # noqa: UP007  # there is no `|` of a sequence
).decode
_decode_event = msgspec.json.Decoder(RunEvent).decode

_ID_FIELDS = {
    name: [f for f in ("id", "parent_event_id", "agent_id", "session_id", "parent_run_id") if hasattr(cls, f)]
    for name, cls in ENVELOPE_CLASSES.items()
}
_ID_FIELDS_OF_UNKNOWN = ["id", "type", "parent_event_id"]
_PROSE_FIELDS = {
    name: [field.name for field in msgspec.structs.fields(cls) if _is_prose(field)]
    for name, cls in EVENT_CLASSES.items()
}
_TOO_DEEP: Final = f"arrays and objects are nested more than {MAX_DEPTH} deep"
_QUOTE: Final = ord('"')
# The hour is bounded here: from Python 3.14 on, `fromisoformat` takes 24:00 for the next day's midnight.
_HOUR = r"(?:[01]\d|2[0-3])"
_has_form_of_timestamp = re.compile(
    rf"\d{{4}}-\d\d-\d\dT{_HOUR}:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]{_HOUR}:[0-5]\d)", re.ASCII
).fullmatch


def decode_event(value: bytes) -> RunEvent | UnknownEvent:
    """The event of a message; `event.original` is `value` itself.

    Raises:
        NotJson: the message is not one JSON value.
        InvalidEvent: it breaks the contract.
    """
    envelope = read_envelope(value)
    event: RunEvent | UnknownEvent
    if isinstance(envelope, UnknownEnvelope):
        event = UnknownEvent(
            id=envelope.id,
            parent_event_id=envelope.parent_event_id,
            timestamp=datetime.fromisoformat(envelope.timestamp),
            name=envelope.type,
            message=_load(value),
        )
    else:
        try:
            event = _decode_event(value)
        except msgspec.DecodeError:
            event = _build_slowly(envelope, _load(value))
    event.__dict__["original"] = value
    return event


def _build_slowly(envelope: Envelope, message: dict[str, Any]) -> RunEvent:
    event_class = EVENT_CLASSES[envelope.type]
    known = {key: message[key] for key in event_class.__struct_fields__ if key in message}
    # msgspec rounds a fraction, at the end of the year 9999 to a time that there is not; Python cuts it off.
    known["timestamp"] = datetime.fromisoformat(envelope.timestamp)
    return cast("RunEvent", msgspec.convert(known, event_class))


def read_envelope(value: bytes) -> Envelope | UnknownEnvelope:
    """What the service needs of a message, once the whole message was found to keep the contract.

    Raises:
        NotJson: the message is not one JSON value.
        InvalidEvent: it breaks the contract.
    """
    envelope = _read_fast(value) or _read_slowly(value)
    _check(envelope, value)
    return envelope


def _read_fast(value: bytes) -> Envelope | None:
    """The envelope, if there is nothing to argue about."""
    try:
        envelope = _decode_envelope(value)
        if not value.isascii():
            value.decode()  # msgspec does not look into strings that it skips
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    prose_bytes = 0
    for field in _PROSE_FIELDS[envelope.type]:
        prose = memoryview(getattr(envelope, field))
        if prose[0] != _QUOTE:
            return None
        prose_bytes += len(prose)
    return None if too_deep(value, prose_bytes) else envelope


def _read_slowly(value: bytes) -> Envelope | UnknownEnvelope:
    if too_deep(value):
        raise NotJson(_TOO_DEEP, value)
    message = _load(value)
    if not isinstance(message, dict):
        raise InvalidEvent(f"expected an object, got {_json_type(message)}", value)
    name = message.get("type")
    if not isinstance(name, str):
        raise InvalidEvent(f"`type` must be a string, got {_json_type(name)}", value)
    envelope_class: type[Envelope | UnknownEnvelope] = ENVELOPE_CLASSES.get(name, UnknownEnvelope)
    fields = {field.name: field.type for field in msgspec.structs.fields(envelope_class)}
    # A payload may be any JSON; that it is there is all that is left to check. Of fields that we don't know not even
    # the names are shown to msgspec, which raises no error of its own for a lone surrogate in one.
    known = {key: message[key] for key in fields if key in message}
    for key in _PROSE_FIELDS.get(name, ()):
        if not isinstance(known.get(key, ""), str):
            raise InvalidEvent(f"`{key}` must be a string, got {_json_type(known[key])}", value)
    known |= {key: msgspec.Raw(b"null") for key in known if fields[key] is msgspec.Raw}
    try:
        envelope: Envelope | UnknownEnvelope = msgspec.convert(known, envelope_class)
    except msgspec.ValidationError as error:
        raise InvalidEvent(str(error), value) from error
    return envelope


def _check(envelope: Envelope | UnknownEnvelope, value: bytes) -> None:
    """What a type annotation cannot say."""
    for field in _ID_FIELDS.get(envelope.type, _ID_FIELDS_OF_UNKNOWN):
        text = getattr(envelope, field)
        if text is not None and (problem := id_problem(text)):
            raise InvalidEvent(f"`{field}` {problem}", value)
    try:
        datetime.fromisoformat(envelope.timestamp)
        is_timestamp = _has_form_of_timestamp(envelope.timestamp) is not None
    except ValueError:  # the 30th of February
        is_timestamp = False
    if not is_timestamp:
        raise InvalidEvent("`timestamp` must be a time like 2026-01-31T23:59:59.5+00:00, with its offset or Z", value)


def _load(value: bytes) -> Any:
    """The message as Python objects, strictly by RFC 8259: lone surrogates yes, NaN no."""
    try:
        return json.loads(value.decode(), parse_int=_integer, parse_float=_real, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise NotJson(f"invalid UTF-8 at byte {error.start}", value) from error
    except ValueError as error:
        raise NotJson(str(error) if value else "the value is empty", value) from error
    except RecursionError as error:  # brackets that nothing closes
        raise NotJson(_TOO_DEEP, value) from error


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) < 4000 else Decimal(digits)  # Python refuses to convert 4,300 digits


def _real(text: str) -> float | Decimal:
    number = float(text)
    if math.isfinite(number):
        return number
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of 19 digits; no store of ours holds it, but JSON it is
        return number


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _json_type(value: object) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null or nothing"}
    return names.get(type(value), "number")
