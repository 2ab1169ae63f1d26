"""Redaction: a function of the agent's sees every payload before it is encoded."""

from collections.abc import Callable
from typing import Any, Final

from msgspec import structs

from agent_runs.events import Event, RunEvent, UnknownEvent
from agent_runs.signal_safety import reraise_from_signal_handler

# Called with the name of a field, such as `llm_called.user_prompt`, and its value; what it returns is sent instead.
Mask = Callable[[str, Any], Any]

# What people and tools have said. The other fields name things, and some of them decide the status of a run.
_TEXTS: Final = frozenset({"system_prompt", "user_prompt", "raw_response", "error", "reason"})
CONTENTS: Final = _TEXTS | {"data", "context", "tool_args", "result"}


# Told of a mask that failed: the field, and what it did.
Complain = Callable[[str, str], None]


def masked(event: RunEvent | UnknownEvent, mask: Mask, complain: Complain) -> RunEvent | UnknownEvent:
    """The event with its contents masked. Where the mask fails, nothing of the content is left."""
    if isinstance(event, UnknownEvent):
        common = {"type", *Event.__struct_fields__}
        message = {
            field: value if field in common else _apply(mask, f"{event.type}.{field}", value, complain)
            for field, value in event.message.items()
        }
        return structs.replace(event, message=message)
    contents = {
        field: _apply(mask, f"{event.type}.{field}", getattr(event, field), complain)
        for field in event.__struct_fields__
        if field in CONTENTS
    }
    return structs.replace(event, **contents)


def _apply(mask: Mask, field: str, value: Any, complain: Complain) -> Any:
    if value is None:
        return None
    try:
        result = mask(field, value)
        is_text = isinstance(value, str) and field.rpartition(".")[2] in _TEXTS
        if isinstance(result, str) or not is_text:
            return result
        failure = f"returned {type(result).__name__}, not text"
    except Exception as error:  # noqa: BLE001  # it is the agent's code, and must not end the agent
        reraise_from_signal_handler(error)
        failure = f"raised {type(error).__name__}"
    complain(field, failure)
    return f"[masked: the mask {failure}]"
