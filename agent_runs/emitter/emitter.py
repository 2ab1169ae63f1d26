"""The emitter, as an agent sees it: it never waits for Kafka, never raises, and loses nothing without saying so."""

import os
from collections.abc import Mapping
from functools import partial
from types import TracebackType
from typing import Self, Unpack

from agent_runs.emitter.channel import Channel, SilentChannel
from agent_runs.emitter.complaints import log
from agent_runs.emitter.delivery import Delivery
from agent_runs.emitter.guard import harmless
from agent_runs.emitter.masking import Mask
from agent_runs.emitter.run import Run
from agent_runs.emitter.settings import EmitterSettings, Options, read_config
from agent_runs.emitter.stats import Stats
from agent_runs.errors import SettingsError
from agent_runs.events import RunEvent, UnknownEvent
from agent_runs.ids import new_id

_TIMEOUT_S = 10.0


class Emitter:
    """Publishes what runs do. One for a process will do; threads, tasks and forked children may share it.

    Settings come from the environment (`KAFKA_BOOTSTRAP_SERVERS` and its like, `AGENT_RUNS_TOPIC`, …); as arguments,
    under the names of `Options`, they count before it. Wrong ones don't raise: they are logged, and every event is
    then counted as dropped.

    As a context (`with`, `async with`) it closes at the end.

    Args:
        mask: sees every payload before it is encoded, with the name of its field, such as `llm_called.user_prompt`;
            what it returns is sent. Where it raises, a note is sent instead.
        environ: where settings are looked up.
        options: settings.
    """

    def __init__(
        self, *, mask: Mask | None = None, environ: Mapping[str, str] = os.environ, **options: Unpack[Options]
    ) -> None:
        self._channel = _open_channel(mask, environ, options)

    @harmless(lambda self: Run(self._channel, new_id()))
    def start_run(
        self,
        *,
        agent_id: str,
        session_id: str | None = None,
        parent_run_id: str | None = None,
        run_id: str | None = None,
    ) -> Run:
        """A new run, which says `run_started`. Its id is made unless it is given."""
        run = Run(self._channel, new_id() if run_id is None else run_id, session_id)
        run.run_started(agent_id=agent_id, session_id=session_id, parent_run_id=parent_run_id)
        return run

    @harmless(lambda self: Run(self._channel, new_id()))
    def run(self, run_id: str, *, session_id: str | None = None) -> Run:
        """A run that was started elsewhere, or before: to resume it."""
        return Run(self._channel, run_id, session_id)

    @harmless(lambda _: new_id())
    def emit(self, run_id: str, event: RunEvent | UnknownEvent) -> str:
        """Any event of the contract, made by hand. Returns its id."""
        Run(self._channel, run_id).tell(event)
        return event.id

    @harmless(lambda self: self.stats().pending)
    def flush(self, timeout_s: float = _TIMEOUT_S) -> int:
        """Wait until Kafka has acknowledged all that was emitted before, for so many seconds at most.

        It blocks: from asyncio code, `await asyncio.to_thread(emitter.flush)`.

        Returns:
            How many records of it are not acknowledged.
        """
        return self._channel.flush(timeout_s)

    @harmless(lambda self: self.stats().pending)
    def close(self, timeout_s: float = _TIMEOUT_S) -> int:
        """Refuse what comes, flush what is there, and end. What is emitted later is counted as dropped.

        It blocks: from asyncio code, `async with` the emitter, or `await asyncio.to_thread(emitter.close)`.

        Returns:
            How many records are not acknowledged; they are given up.
        """
        return self._channel.close(timeout_s)

    def stats(self) -> Stats:
        """What became of the events so far."""
        return self._channel.stats()

    def misused(self, method: str, error: Exception) -> None:
        """Count and log a call that could not be served."""
        self._channel.misused(None, f"emitter.{method}", error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Who calls this has loaded it; others need not.
        import asyncio  # noqa: PLC0415

        await asyncio.to_thread(self.close)


def _open_channel(mask: Mask | None, environ: Mapping[str, str], options: Options) -> Channel | SilentChannel:
    try:
        config = read_config(environ, options)
    except SettingsError as error:
        log.error("No event will be sent, set AGENT_RUNS_ENABLED=0 if that is meant: %s", "; ".join(error.problems))
        return Channel(EmitterSettings(), mask, None)
    if config is None:
        log.info("Agent Runs is switched off: no event is sent")
        return SilentChannel()
    log.info(
        "Events of runs, with prompts and answers, go to Kafka at %s, topic %s",
        config.kafka.bootstrap_servers,
        config.emitter.topic,
    )
    return Channel(config.emitter, mask, partial(Delivery, config=config))
