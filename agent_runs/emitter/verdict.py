"""Whether an event surely keeps the contract, told from its fields: reading its message takes five times as long."""

from datetime import UTC, datetime
from typing import Final

from msgspec.structs import fields

from agent_runs.events import EVENT_CLASSES, Event, Json, RunEvent, UnknownEvent

_COMMON: Final = frozenset(Event.__struct_fields__)
# Of each type whose own fields are texts and payloads: the texts. The others have ids, counts, or what may be null.
_TEXT_FIELDS: Final[dict[type[Event], list[str]]] = {
    event_class: [field.name for field in fields(event_class) if field.type is str]
    for event_class in EVENT_CLASSES.values()
    if all(field.type in (str, Json) for field in fields(event_class) if field.name not in _COMMON)
}


def is_surely_valid(event: RunEvent | UnknownEvent, *, is_plain: bool) -> bool:
    """Whether the judge would accept its message. False says nothing: then he has to be asked.

    Args:
        event: as it was encoded.
        is_plain: whether its payload is.
    """
    texts = _TEXT_FIELDS.get(type(event))
    if texts is None or not is_plain or not _is_surely_id(event.id):
        return False
    if type(event.timestamp) is not datetime or event.timestamp.tzinfo is not UTC:
        return False
    for field in texts:
        if type(getattr(event, field)) is not str:
            return False
    return event.parent_event_id is None or _is_surely_id(event.parent_event_id)


def _is_surely_id(text: object) -> bool:
    return type(text) is str and text.isalnum() and len(text) < 64  # a letter takes four bytes at most
