"""What has become of a question, as the API and the pages show it."""

from datetime import datetime
from typing import Final, Literal

import msgspec

from agent_runs.status import RunStatus

_MAX_TEXT: Final = 300  # characters


class AnswerDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What has become of a question.

    Attributes:
        run_id: the run.
        question_id: the id of the request.
        state: `open`: it has no answer. `sent`: this viewer has published an answer, which is not stored yet.
            `stored`: the answer is stored. `closed`: it has no answer and waits for none, because the run has ended.
        run_status: the status of the run.
        event_id: the id of the answer.
        seq: the number of the answer in the run; null until it is stored.
        answered_by: who answered, if the answer says so.
        answered_at: when it was sent or, if it is stored, its record timestamp.
        summary: what it says, on one line.
    """

    run_id: str
    question_id: str
    state: Literal["open", "sent", "stored", "closed"]
    run_status: RunStatus
    event_id: str | None = None
    seq: int | None = None
    answered_by: str | None = None
    answered_at: datetime | None = None
    summary: str = ""


def cut(text: str) -> str:
    """Return a text, cut to 300 characters."""
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 1]}…"
