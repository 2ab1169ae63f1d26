"""An event in one line, for people."""

import json
from typing import Any

from agent_runs.events import (
    ContextAssembled,
    Input,
    LlmCalled,
    RunCompleted,
    RunEvent,
    RunFailed,
    RunResumed,
    RunStarted,
    RunWaiting,
    ToolFailed,
    ToolRequested,
    ToolSucceeded,
    UnknownEvent,
)


def in_words(event: RunEvent | UnknownEvent) -> str:
    """What the event says, apart from its type; of any length, without line breaks."""
    match event:
        case RunStarted(agent_id=agent_id):
            words = agent_id
        case Input(tool=tool, data=data):
            words = f"{tool} {_compact(data)}"
        case LlmCalled(model=model, raw_response=answer):
            words = f"{model}: {answer}"
        case ToolRequested(tool_name=tool, tool_args=arguments):
            words = f"{tool} {_compact(arguments)}"
        case ToolSucceeded(tool_name=tool, result=result):
            words = f"{tool}: {_compact(result)}"
        case ToolFailed(tool_name=tool, error=error):
            words = f"{tool}: {error}"
        case RunWaiting(reason=reason) | RunResumed(reason=reason):
            words = reason or ""
        case ContextAssembled(context=value) | RunCompleted(result=value):
            words = _compact(value)
        case RunFailed(error=error):
            words = error
        case _:
            words = ""
    return " ".join(words.split())


def tool_of(event: RunEvent | UnknownEvent) -> str | None:
    """The tool that the event is about: the fold asks for it."""
    return getattr(event, "tool_name", None)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
