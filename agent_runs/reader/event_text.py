"""What an event says, as one line."""

from collections.abc import Callable
from typing import Any, Final

from agent_runs.codec.canonical_json import text_of
from agent_runs.events import (
    ContextAssembled,
    Event,
    EventsDropped,
    Input,
    LlmCalled,
    LlmFailed,
    RunCompleted,
    RunFailed,
    RunResumed,
    RunStarted,
    RunWaiting,
    ToolFailed,
    ToolRequested,
    ToolSucceeded,
    UnknownEvent,
)
from agent_runs.labels import FORKED_FROM, REPLAY_OF
from agent_runs.reader.chat import chat_of_text
from agent_runs.reader.inbox import OpenQuestion
from agent_runs.reader.question_lines import QuestionLine
from agent_runs.reader.runs import RunSummary
from agent_runs.reader.stored_events import OpaqueEvent

_MAX: Final = 2000  # characters of a value that are worth looking at
_MAX_NAME: Final = 300  # characters of the name of who answered
_MAX_PARSED: Final = 100_000  # characters of an answer that is looked at for the messages of a chat


def event_text(event: Event | OpaqueEvent) -> str:
    """Return what the event says; not escaped, and without line breaks."""
    if isinstance(event, OpaqueEvent):
        return f"cannot be decoded: {event.error}"
    text = _TEXTS[type(event)](event)
    return " ".join(text[:_MAX].split())


def origin_text(run: RunSummary) -> str | None:
    """Return the run that a replay or a fork comes from, by its label; None if the run is neither."""
    for name, text in ((REPLAY_OF, "replay of"), (FORKED_FROM, "fork of")):
        if name in run.labels:
            return f"{text} {run.labels[name]}"
    return None


def question_text(question: OpenQuestion | QuestionLine) -> str:
    """Return the tool and what it asks; not escaped, and without line breaks."""
    text = " ".join(question.text[:_MAX].split())
    return f"{question.tool_name}: {text}" if text else question.tool_name


def who_answered(event: Event | OpaqueEvent) -> str | None:
    """Return who answered a question, not escaped and cut to 300 characters; None if the event does not say so."""
    if isinstance(event, OpaqueEvent) or event.original is None or b"answered_by" not in event.original:
        return None
    by = event.further_fields.get("answered_by")
    return by[:_MAX_NAME] if isinstance(by, str) and by else None


def count_text(count: int, noun: str) -> str:
    """Return a number of things, such as `1 run` or `2 runs`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def missing_text(event: EventsDropped) -> str:
    """Return how many events are missing, and why; not escaped."""
    missing = "1 event is missing" if event.count == 1 else f"{event.count} events are missing"
    return f"{missing}: {event.detail or event.reason or 'no reason given'}"


def _started(event: RunStarted) -> str:
    further = event.further_fields
    origin = {name: further.get(name) for name in ("replay_of", "forked_from", "forked_until")}
    facts = {"session": event.session_id, "parent": event.parent_run_id, **origin}
    return " ".join([event.agent_id, *(f"{name}={value}" for name, value in facts.items() if value is not None)])


def _context(event: ContextAssembled) -> str:
    context = event.context
    if isinstance(context, dict) and isinstance(events := context.get("events"), list) and FORKED_FROM in context:
        left_out = f", {context['left_out']} left out" if "left_out" in context else ""
        until = f"up to event {context.get('forked_until')}: {count_text(len(events), 'event')}{left_out}"
        return f"the history of {context[FORKED_FROM]} {until}"
    return text_of(context)


def _answer(text: str) -> str:
    """Return what a model answered: of the JSON of a chat, the text and the calls of tools."""
    messages = chat_of_text(text) if len(text) <= _MAX_PARSED else None
    parts = [part for message in messages or () for part in message.parts]
    return " ".join(f"→ {said}" if kind == "tool call" else said for kind, said in parts) or text


def _input(event: Input) -> str:
    data = event.data
    if isinstance(data, dict) and data.keys() == {"text"} and isinstance(data["text"], str) and data["text"]:
        data = data["text"]
    return f"{event.tool}: {text_of(data)}"


def _succeeded(event: ToolSucceeded) -> str:
    by = who_answered(event)
    return f"{event.tool_name}{f' by {by}' if by else ''} → {text_of(event.result)}"


def _unknown(event: UnknownEvent) -> str:
    common = {*Event.__struct_fields__, "type"}
    return text_of({name: value for name, value in event.message.items() if name not in common})


def _dropped(event: EventsDropped) -> str:
    types = ", ".join(f"{count} {name}" for name, count in (event.types or {}).items())
    return f"{missing_text(event)}{f' ({types})' if types else ''}"


_TEXTS: Final[dict[type[Event], Callable[[Any], str]]] = {
    Input: _input,
    ContextAssembled: _context,
    LlmCalled: lambda event: f"{event.model}: {_answer(event.raw_response)}",
    LlmFailed: lambda event: f"{event.model}: {event.error}",
    ToolRequested: lambda event: f"{event.tool_name} {text_of(event.tool_args)}",
    ToolSucceeded: _succeeded,
    ToolFailed: lambda event: f"{event.tool_name} failed: {event.error}",
    RunStarted: _started,
    RunWaiting: lambda event: event.reason or "",
    RunResumed: lambda event: event.reason or "",
    RunCompleted: lambda event: "" if event.result is None else text_of(event.result),
    RunFailed: lambda event: event.error,
    EventsDropped: _dropped,
    UnknownEvent: _unknown,
}
