"""Redaction: the agent's mask replaces the value of every content field before the event is encoded."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import structs

from agent_runs.events import Event, Json, RunEvent, UnknownEvent
from agent_runs.signal_safety import reraise_from_signal_handler

# Called with the name of a field, such as `llm_called.user_prompt`, and its value; returns the value to send.
Mask = Callable[[str, Any], Any]
# Called if the mask fails, with the name of the field and the failure, such as "raised KeyError".
OnMaskFailure = Callable[[str, str], None]

# What people, models and tools wrote. The other fields hold ids and names; some of them decide the status of a run.
_TEXT_FIELDS: Final = frozenset({"system_prompt", "user_prompt", "raw_response", "error", "reason", "detail"})
_CONTENT_FIELDS: Final = _TEXT_FIELDS | {"data", "context", "tool_args", "result"}
# Further fields that the emitter itself sets. They hold a measurement and the name of a class.
_MEASURED_FIELDS: Final = frozenset({"duration_ms", "error_type"})


def redact(event: RunEvent | UnknownEvent, mask: Mask, on_failure: OnMaskFailure) -> RunEvent | UnknownEvent:
    """Return a copy of the event with masked content fields.

    The mask is not called for None. A field for which the mask fails holds a placeholder. Of an `UnknownEvent`, every
    field except the common ones is content.
    """
    if isinstance(event, UnknownEvent):
        common = {"type", *Event.__struct_fields__}
        message = {
            field: value if field in common else _apply(mask, f"{event.type}.{field}", value, on_failure)
            for field, value in event.message.items()
        }
        return structs.replace(event, message=message)
    contents = {
        field: _apply(mask, f"{event.type}.{field}", getattr(event, field), on_failure)
        for field in event.__struct_fields__
        if field in _CONTENT_FIELDS
    }
    return structs.replace(event, **contents)


def redact_further_fields(
    event_type: str, fields: Mapping[str, Json], mask: Mask, on_failure: OnMaskFailure
) -> Mapping[str, Json]:
    """Return a copy of the further fields of an event, with the mask applied to all except measurements."""
    return {
        field: value if field in _MEASURED_FIELDS else _apply(mask, f"{event_type}.{field}", value, on_failure)
        for field, value in fields.items()
    }


def _apply(mask: Mask, field: str, value: Any, on_failure: OnMaskFailure) -> Any:
    if value is None:
        return None
    try:
        result = mask(field, value)
        is_text = isinstance(value, str) and field.rpartition(".")[2] in _TEXT_FIELDS
        if isinstance(result, str) or not is_text:
            return result
        failure = f"returned {type(result).__name__}, not text"
    except Exception as error:  # noqa: BLE001  # the mask is the agent's code and can raise anything
        reraise_from_signal_handler(error)
        failure = f"raised {type(error).__name__}"
    on_failure(field, failure)
    return f"[masked: the mask {failure}]"
