"""From an event to its message: JSON whatever the payload holds, and nothing left out without a word.

msgspec is fast and knows nearly everything that agents publish. What it refuses, or would change silently (NaN becomes
null), is spelled by hand; what JSON has no form for stands there as `{"$repr": "…"}`.
"""

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, Final

import msgspec

from agent_runs.events import EVENT_CLASSES, Event, Json, RunEvent, UnknownEvent
from agent_runs.jsontext import MAX_DEPTH

# msgspec knows these itself: asked about one of them, we are asked about the key of an object, which must be a string.
_OWN_TYPES: Final = (bool, type(None), tuple, list, dict, set, frozenset)
_PLAIN_TYPES: Final = frozenset({str, int, bool, type(None)})
_PAYLOAD_FIELDS: Final[dict[type[Event], list[str]]] = {UnknownEvent: ["message"]} | {
    event_class: [field.name for field in msgspec.structs.fields(event_class) if field.type == Json]
    for event_class in EVENT_CLASSES.values()
}


def encode_event(event: RunEvent | UnknownEvent) -> bytes:
    """The message of an event: one JSON object in UTF-8.

    Payloads may hold anything. Objects that JSON has no form for, NaN and infinities become `{"$repr": "…"}`; a lone
    surrogate goes as its escape. Whether the event keeps the contract is not looked at: `decode_event` judges that.
    """
    text, _ = encode_and_look(event)
    return text


def encode_and_look(event: RunEvent | UnknownEvent) -> tuple[bytes, bool]:
    """The message, and whether its payload is plain: what JSON consists of, and no deeper than the contract allows."""
    try:
        text = _encode(event.message if isinstance(event, UnknownEvent) else event)
        for field in _PAYLOAD_FIELDS[type(event)]:
            if not _is_plain(getattr(event, field), MAX_DEPTH - 1):
                # NaN goes as null, a Decimal's NaN as itself.
                suspect = b"null" in text or b"NaN" in text or b"Infinity" in text
                return spell_event(event) if suspect else text, False
    except Exception:  # noqa: BLE001  # beside what msgspec refuses: objects of an agent may raise anything
        return spell_event(event), False
    return text, True


def spell_event(event: RunEvent | UnknownEvent) -> bytes:
    """The same by the slow way, in ASCII: what is nested deeper than the contract allows becomes a `$repr` as well."""
    if isinstance(event, UnknownEvent):
        return _spell(event.message, frozenset()).encode()
    fields = {field: getattr(event, field) for field in event.__struct_fields__}
    return _spell({"type": event.type, **fields}, frozenset()).encode()


def _is_plain(value: Any, levels: int) -> bool:
    """Whether it is what JSON consists of, finite numbers included, in at most so many levels of arrays and objects."""
    # On the way of every event: loops, and scalars told by their exact type before a call, take a third of the time.
    kind = type(value)
    if kind is dict:
        value = value.values()
    elif kind is not list and kind is not tuple:
        return kind in _PLAIN_TYPES or (kind is float and math.isfinite(value))
    for item in value:
        if type(item) not in _PLAIN_TYPES and not _is_plain(item, levels - 1):
            return False
    return levels > 0


def _stand_in(value: Any) -> Any:
    """What to encode for an object that msgspec doesn't know."""
    if isinstance(value, _OWN_TYPES):
        raise TypeError(f"{type(value).__name__} as a key")  # answered with an object, msgspec would ask for ever
    for base in (str, int, float):
        if isinstance(value, base):  # of a class derived from it, as numpy's floats are
            return base(value)
    try:
        # pydantic's way for its models, in which the clients of LLMs answer
        return dict(value) if isinstance(value, Mapping) else type(value).model_dump(value, mode="json")
    except Exception:  # noqa: BLE001  # most have no such method; what another raises is worth no event
        return {"$repr": _representation(value)}


_encode = msgspec.json.Encoder(decimal_format="number", enc_hook=_stand_in).encode


def _spell(value: Any, above: frozenset[int]) -> str:
    """JSON in ASCII. `above` are the objects that this value is in."""
    if isinstance(value, Enum):
        return _spell(value.value, above)
    if value is None or isinstance(value, str | int | float | Decimal):
        return _spell_scalar(value)
    if id(value) in above or len(above) >= MAX_DEPTH - 1:
        return _spell_representation(value)
    try:
        return _spell_inside(value, above | {id(value)})
    except Exception:  # noqa: BLE001  # Python's own limit of nesting, or whatever the object raises
        return _spell_representation(value)


def _spell_scalar(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value)
    try:
        return _encode(value).decode() if _is_finite(value) else _spell_representation(value)
    except ValueError:  # Python converts no integer of 4,300 digits
        return _spell_representation(value)


def _is_finite(value: Any) -> bool:
    return value.is_finite() if isinstance(value, Decimal) else not isinstance(value, float) or math.isfinite(value)


def _spell_inside(value: Any, above: frozenset[int]) -> str:
    match value:
        case Mapping():
            return "{" + ",".join(f"{_spell_key(key)}:{_spell(item, above)}" for key, item in value.items()) + "}"
        case list() | tuple() | set() | frozenset():
            return "[" + ",".join(_spell(item, above) for item in value) + "]"
    return _spell(msgspec.to_builtins(value, builtin_types=(Decimal,), enc_hook=_stand_in), above)


def _spell_key(key: Any) -> str:
    """Text as it is; of anything else, the JSON that it would be as a value."""
    spelled = _spell(key, frozenset())
    return spelled if spelled.startswith('"') else json.dumps(spelled)


def _spell_representation(value: Any) -> str:
    return f'{{"$repr":{json.dumps(_representation(value))}}}'


def _representation(value: Any) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001  # an agent's object: what it raises is worth a word, and not the event
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
