"""Collects the further fields of an event: those that the contract does not define for the event's type."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from msgspec import structs

from agent_runs.events import Event, Json, RunEvent, UnknownEvent
from agent_runs.signal_safety import reraise_from_signal_handler

# Called with the name that a field was passed with, and the name that it is stored under.
OnRename = Callable[[str, str], None]


def collect_further_fields(
    own_names: Collection[str],
    extra: Any,
    keywords: Mapping[str, Json],
    measured: Mapping[str, Json],
    on_rename: OnRename,
) -> dict[str, Json]:
    """Return the fields to store in addition to the event's own fields, by name.

    No value is lost: a field whose name is taken is stored under the name with the prefix `extra.`. A name is taken if
    it is one of `own_names`, or if a keyword has the same name as a field of `extra`.

    Args:
        own_names: the names of the fields that the event has already.
        extra: a mapping of fields. Any other value except None is stored as the field `extra`.
        keywords: fields that were passed as keywords.
        measured: fields that the emitter sets; one that the agent passes as well takes precedence.
        on_rename: called for every field that is stored under another name.
    """
    found: dict[str, Json] = {}
    for name, value in (*keywords.items(), *_items_of(extra)):
        free = name
        while free in own_names or free in found:
            free = f"extra.{free}"
        if free != name:
            on_rename(name, free)
        found[free] = value
    return {**measured, **found}


def add_further_fields(
    event: RunEvent | UnknownEvent, extra: Any, keywords: Mapping[str, Json], on_rename: OnRename
) -> tuple[RunEvent | UnknownEvent, dict[str, Json] | None]:
    """Return an event with added further fields, and all its further fields.

    Those of an `UnknownEvent` are part of its message; None is returned for them.
    """
    present = event.message if isinstance(event, UnknownEvent) else event.further_fields
    own_names = {"type", *(Event if isinstance(event, UnknownEvent) else event).__struct_fields__, *present}
    added = collect_further_fields(own_names, extra, keywords, {}, on_rename)
    if isinstance(event, UnknownEvent):
        return structs.replace(event, message={**present, **added}), None
    return event, {**present, **added}


def _items_of(extra: Any) -> list[tuple[str, Json]]:
    if extra is None:
        return []
    try:
        if isinstance(extra, Mapping):
            return [(_text_of(name), value) for name, value in extra.items()]
    except Exception as error:  # noqa: BLE001  # a mapping of the agent can raise anything
        reraise_from_signal_handler(error)
    return [("extra", extra)]


def _text_of(name: object) -> str:
    if type(name) is str:
        return name
    return str.__str__(name) if isinstance(name, str) else str(name)
