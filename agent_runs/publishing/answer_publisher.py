"""Publishes an answer while its question is locked, so that no other program answers until the answer is stored."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from agent_runs.emitter.settings import Config
from agent_runs.errors import AgentRunsError, KafkaUnavailable
from agent_runs.events import RunEvent, UnknownEvent
from agent_runs.publishing.single_events import publish_event
from agent_runs.questions import named
from agent_runs.reader import Reader

_PUBLISH_S: Final = 8.0  # until Kafka has acknowledged an answer
# How often, and with which wait, the publisher reads whether the answer is stored. The lock lasts longer than all this.
_LOOKS: Final = 40
_LOOK_S: Final = 0.2


class QuestionLocked(AgentRunsError):
    """Another program publishes an answer to the question at this moment, or has published one that is not stored."""


class AnswerPublisher:
    """Publishes answers, for the command line and the viewer.

    Args:
        reader: locks the questions, and reads whether their answers are stored.
        config: how to reach Kafka. Default: the environment.
    """

    def __init__(self, reader: Reader, config: Config | None = None) -> None:
        self._reader = reader
        self._config = config
        self._tasks: set[asyncio.Task[None]] = set()

    async def publish(
        self, run_id: str, question_id: str, event: RunEvent | UnknownEvent, check: Callable[[], Awaitable[object]]
    ) -> None:
        """Publish an answer, and return when Kafka has acknowledged it. The question stays locked until it is stored.

        Args:
            run_id: the run.
            question_id: the id of the request.
            event: the answer.
            check: raises if the question is not open; called when no other program can answer it.

        Raises:
            QuestionLocked: another program answers the question.
            SettingsError: a setting is missing or not valid.
            Undelivered: Kafka did not acknowledge the answer, which may be stored nevertheless.
        """
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def publish() -> None:
            async with self._reader.question_locks.hold(run_id, question_id) as is_locked:
                if not is_locked:
                    raise QuestionLocked("another program publishes an answer to this question at this moment")
                await check()
                await self._publish(run_id, event)
                if not acknowledged.done():
                    acknowledged.set_result(None)
                await self._wait_until_stored(run_id, question_id)

        task = asyncio.create_task(publish())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_retrieve_error)
        await asyncio.wait({task, acknowledged}, return_when=asyncio.FIRST_COMPLETED)
        if not acknowledged.done():
            await task  # raises

    async def _publish(self, run_id: str, event: RunEvent | UnknownEvent) -> None:
        try:
            async with asyncio.timeout(_PUBLISH_S):
                await publish_event(run_id, event, self._config)
        except TimeoutError as error:
            raise KafkaUnavailable(f"no answer within {_PUBLISH_S:g} s") from error

    async def _wait_until_stored(self, run_id: str, question_id: str) -> None:
        """Return when a question is not open any more, or after 8 s: perhaps no consumer runs."""
        for _ in range(_LOOKS):
            run = await self._reader.get_summary(run_id)
            if run is None or named(question_id, run.open_questions) is None:
                return
            await asyncio.sleep(_LOOK_S)


def _retrieve_error(task: "asyncio.Task[None]") -> None:
    """Retrieve an error that came after the answer was published, such as the end of the lock: asyncio would log it."""
    if not task.cancelled():
        task.exception()
