"""The questions that nobody has answered: who waits for whom, and for how long."""

from datetime import datetime
from typing import Final

import msgspec

from agent_runs.codec.canonical_json import text_of
from agent_runs.codec.lossy_json import dump_struct
from agent_runs.events import Json, ToolRequested
from agent_runs.reader.runs import RunSummary
from agent_runs.reader.stored_events import StoredEvent

# Where tools keep the text of a question, by convention.
_TEXT_ARGUMENTS: Final = ("question", "text", "message", "prompt", "task")


class OpenQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """A request of a waiting tool without an answer.

    Attributes:
        run: the run that waits.
        id: the id of the request. An answer names it as its `parent_event_id`.
        tool_name: the tool.
        request: the event of the request; None if it is not stored, because a part of the run was deleted. If its
            message has more than 256 KiB, `request.event` is an `OpaqueEvent`; `get_run_events` returns the message.
        beginning: the beginning of the text, if the message is not loaded.
    """

    run: RunSummary
    id: str
    tool_name: str
    request: StoredEvent | None
    beginning: str = ""

    @property
    def asked_at(self) -> datetime:
        """The record timestamp of the request; without it, when the run began to wait."""
        return self.run.status_changed_at if self.request is None else self.request.created_at

    @property
    def arguments(self) -> Json:
        """The arguments of the request; None if it cannot be read or is not loaded."""
        event = None if self.request is None else self.request.event
        return event.tool_args if isinstance(event, ToolRequested) else None

    @property
    def text(self) -> str:
        """The first of the arguments `question`, `text`, `message`, `prompt`, `task` that is text; else all of them.

        Empty if the request cannot be read; its first 2,000 characters if it is not loaded.
        """
        arguments = self.arguments
        if isinstance(arguments, dict):
            for name in _TEXT_ARGUMENTS:
                if isinstance(arguments.get(name), str):
                    return str(arguments[name])
        return self.beginning if arguments is None else text_of(arguments)

    def to_json(self) -> bytes:
        """Return the question as JSON: `run_id, agent, id, tool_name, text, arguments, seq, asked_at`.

        `seq` is null if the request is not stored, `arguments` if it is not loaded.
        """
        return dump_struct(
            {
                "run_id": self.run.id,
                "agent": self.run.agent,
                "id": self.id,
                "tool_name": self.tool_name,
                "text": self.text,
                "arguments": self.arguments,
                "seq": None if self.request is None else self.request.seq,
                "asked_at": self.asked_at,
            }
        )


class QuestionPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the open questions, those first whose run waits longest.

    Attributes:
        questions: the questions of this page.
        cursor: pass it to the same function for the next page; None on the last page.
    """

    questions: list[OpenQuestion]
    cursor: str | None = None
