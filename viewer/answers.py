"""Publishes the answers to open questions, and refuses a second answer to a question."""

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import Final

import msgspec
from msgspec.structs import replace

from agent_runs.codec.canonical_json import text_of
from agent_runs.emitter.settings import Config
from agent_runs.errors import SettingsError, Undelivered, UnreadableEvent
from agent_runs.events import Json, RunEvent, UnknownEvent
from agent_runs.publishing.answer_publisher import AnswerPublisher, QuestionLocked
from agent_runs.publishing.answers import answer_event, answers_of
from agent_runs.questions import Question, named
from agent_runs.reader import OpenQuestion, QuestionLine, Reader, RunSummary, StoredEvent
from agent_runs.reader.event_text import event_text, who_answered
from agent_runs.times import time_text
from viewer.answer_document import AnswerDocument, cut
from viewer.errors import Failure

READ_ONLY: Final = (
    "This viewer cannot publish answers: start it with KAFKA_BOOTSTRAP_SERVERS, and AGENT_RUNS_TOPIC if the topic has "
    "another name."
)
_LOCKED: Final = (
    "Another person answers this question at this moment. The answer is shown here when it is stored. If none is "
    "stored within 20 s, send yours again."
)
_NOT_ACKNOWLEDGED: Final = (
    "Kafka did not acknowledge the answer: {}. It may be stored nevertheless. Send it again: the same answer is stored "
    "once."
)
_LOOKUP_S: Final = 5.0  # for the event that has answered a question, in a run of many events
_MAX_SENT: Final = 1000  # answers that are remembered


class _Sent(msgspec.Struct):
    """An answer of this viewer."""

    event: RunEvent | UnknownEvent
    result: Json
    by: str | None
    at: datetime
    is_unconfirmed: bool = False  # Kafka has not acknowledged it, but may have stored it


class Answers:
    """Publishes answers. A question gets one answer of all viewers and command lines.

    For that, a question is locked in PostgreSQL from before its answer is published until the answer is stored. A
    program that takes no lock may answer at the same time. Then the first answer in the topic counts, and `state_of`
    tells which it was.

    Args:
        reader: reads the questions.
        config: how to reach Kafka; None: nothing can be published.
    """

    def __init__(self, reader: Reader, config: Config | None) -> None:
        self._reader = reader
        self._publisher = None if config is None else AnswerPublisher(reader, config)
        self._sent: dict[tuple[str, str], _Sent] = {}

    @property
    def can_publish(self) -> bool:
        """Whether the viewer knows how to reach Kafka."""
        return self._publisher is not None

    async def send(self, run_id: str, question_id: str, result: Json, by: str | None) -> AnswerDocument:
        """Publish an answer, and return when Kafka has acknowledged it.

        Args:
            run_id: the run.
            question_id: the id of the request.
            result: the result of the tool.
            by: who answers.

        Raises:
            Failure: the question does not exist or is answered, or Kafka did not acknowledge the answer.
        """
        if self._publisher is None:
            raise Failure(403, READ_ONLY)
        run = await self._summary(run_id)
        question = await self._open_question(run, question_id)
        sent = self._claim(run, question, result, by)
        try:
            await self._publisher.publish(
                run_id, question_id, sent.event, partial(self._check_open, run_id, question_id)
            )
        except (QuestionLocked, Undelivered, SettingsError) as error:
            sent.is_unconfirmed = True
            raise _failure_of(error) from error
        except BaseException:
            sent.is_unconfirmed = True
            raise
        return self._sent_document(run, question_id, sent)

    async def state_of(self, run_id: str, question_id: str) -> AnswerDocument:
        """Return what has become of a question.

        Raises:
            Failure: the run does not exist, or never had this question.
        """
        run = await self._summary(run_id)
        if named(question_id, run.open_questions) is not None:
            sent = self._sent.get((run_id, question_id))
            if sent is not None and not sent.is_unconfirmed:
                return self._sent_document(run, question_id, sent)
            return AnswerDocument(run_id=run_id, question_id=question_id, state="open", run_status=run.status)
        stored = await self._stored_answer(run, question_id)
        if stored is None:
            return AnswerDocument(run_id=run_id, question_id=question_id, state="closed", run_status=run.status)
        return AnswerDocument(
            run_id=run_id,
            question_id=question_id,
            state="stored",
            run_status=run.status,
            event_id=stored.id,
            seq=stored.seq,
            answered_by=who_answered(stored.event),
            answered_at=stored.created_at,
            summary=cut(event_text(stored.event)),
        )

    def is_sent(self, question: OpenQuestion | QuestionLine) -> bool:
        """Whether this viewer has published an answer to an open question."""
        sent = self._sent.get((question.run.id, question.id))
        return sent is not None and not sent.is_unconfirmed

    async def _summary(self, run_id: str) -> RunSummary:
        run = await self._reader.get_summary(run_id)
        if run is None:
            raise Failure(404, f"There is no run {run_id!r}.")
        return run

    async def _check_open(self, run_id: str, question_id: str) -> None:
        await self._open_question(await self._summary(run_id), question_id)

    async def _open_question(self, run: RunSummary, question_id: str) -> OpenQuestion:
        """Return a question that waits for an answer.

        Raises:
            Failure: it does not.
        """
        if (question := named(question_id, run.open_questions)) is not None:
            return OpenQuestion(run=run, id=question.id, tool_name=question.tool_name, request=None)
        stored = await self._stored_answer(run, question_id)
        if stored is None:
            raise Failure(409, f"The run {run.id!r} is {run.status.value}; its question {question_id!r} is closed.")
        text = event_text(stored.event)
        raise _answered_already(stored.created_at, who_answered(stored.event), text, f"event {stored.seq}")

    async def _stored_answer(self, run: RunSummary, question_id: str) -> StoredEvent | None:
        """Return the event that has answered a question that is not open; None if none has, or if that takes long.

        Raises:
            Failure: the run never had this question.
        """
        try:
            async with asyncio.timeout(_LOOKUP_S):
                answers = await answers_of(self._reader, run.id)
        except TimeoutError:
            return None
        if question_id in answers:
            return answers[question_id]
        if not await self._was_asked(run, question_id):
            raise Failure(404, f"The run {run.id!r} has no question {question_id!r}.")
        return None

    async def _was_asked(self, run: RunSummary, question_id: str) -> bool:
        # The reader finds the requests of a run's open questions by their ids.
        as_if_open = replace(run, open_questions=[Question(id=question_id, tool_name="")])
        (question,) = await self._reader.questions_of([as_if_open])
        return question.request is not None and question.request.type == "tool_requested"

    def _claim(self, run: RunSummary, question: OpenQuestion, result: Json, by: str | None) -> _Sent:
        """Remember an answer before it is published, so that a second one is refused meanwhile.

        An answer that Kafka has not acknowledged, and that is sent again, is the same event.

        Raises:
            Failure: another answer was sent, or the result cannot be in an event.
        """
        key = (run.id, question.id)
        before = self._sent.get(key)
        if before is not None and not before.is_unconfirmed:
            raise _answered_already(before.at, before.by, text_of(before.result), "not stored yet")
        if before is not None and (before.result, before.by) == (result, by):
            before.is_unconfirmed = False
            return before
        try:
            event = answer_event(question, result, by)
        except UnreadableEvent as error:
            raise Failure(400, f"The answer cannot be published: {error}.") from error
        sent = self._sent[key] = _Sent(event=event, result=result, by=by, at=datetime.now(UTC))
        if len(self._sent) > _MAX_SENT:
            del self._sent[next(iter(self._sent))]
        return sent

    @staticmethod
    def _sent_document(run: RunSummary, question_id: str, sent: _Sent) -> AnswerDocument:
        return AnswerDocument(
            run_id=run.id,
            question_id=question_id,
            state="sent",
            run_status=run.status,
            event_id=sent.event.id,
            answered_by=sent.by,
            answered_at=sent.at,
            summary=cut(text_of(sent.result)),
        )


def _failure_of(error: QuestionLocked | Undelivered | SettingsError) -> Failure:
    """Return the failure that an error of publishing stands for."""
    if isinstance(error, QuestionLocked):
        return Failure(409, _LOCKED)
    return Failure(502, _NOT_ACKNOWLEDGED.format(error))


def _answered_already(at: datetime, by: str | None, text: str, where: str) -> Failure:
    whom = f" by {by}" if by else ""
    return Failure(409, f"This question was answered{whom} at {time_text(at)} ({where}): {cut(text)}")
