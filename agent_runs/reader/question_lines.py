"""Open questions with the beginning of their texts, for lists: a list never loads payloads."""

from datetime import datetime
from typing import Final

import msgspec

from agent_runs.reader.inbox import OpenQuestion
from agent_runs.reader.runs import RunSummary

MAX_TEXT: Final = 2000  # characters


class QuestionLine(msgspec.Struct, frozen=True, kw_only=True):
    """An open question, with the beginning of its text.

    Attributes:
        run: the run that waits.
        id: the id of the request.
        tool_name: the tool.
        text: as of `OpenQuestion`, cut to 2,000 characters; of a `Reader`, with U+FFFD in place of the characters that
            JSONB cannot store.
        seq: the number of the request in its run; None if it is not stored.
        asked_at: as of `OpenQuestion`.
    """

    run: RunSummary
    id: str
    tool_name: str
    text: str
    seq: int | None
    asked_at: datetime


def line_of_question(question: OpenQuestion) -> QuestionLine:
    """Return a question with the beginning of its text."""
    return QuestionLine(
        run=question.run,
        id=question.id,
        tool_name=question.tool_name,
        text=question.text[:MAX_TEXT],
        seq=None if question.request is None else question.request.seq,
        asked_at=question.asked_at,
    )
