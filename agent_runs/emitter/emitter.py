"""The emitter, as an agent sees it: it never waits for Kafka, never raises, and loses nothing without saying so."""

import os
from collections.abc import Mapping
from functools import partial
from logging import ERROR, INFO
from types import TracebackType
from typing import Never, Self, Unpack

from agent_runs.emitter.delivery import Delivery
from agent_runs.emitter.never_raise import harmless
from agent_runs.emitter.pipeline import Channel, SilentChannel, key_of
from agent_runs.emitter.rate_limited_log import tell
from agent_runs.emitter.redaction import Mask
from agent_runs.emitter.run import Run
from agent_runs.emitter.settings import Config, EmitterSettings, Options, read_config
from agent_runs.emitter.stats import Stats
from agent_runs.errors import SettingsError
from agent_runs.events import RunEvent, UnknownEvent
from agent_runs.ids import new_id


class Emitter:
    """Publishes what runs do. One for a process will do; threads, tasks and forked children may share it.

    Settings come from the environment (`KAFKA_BOOTSTRAP_SERVERS` and its like, `AGENT_RUNS_TOPIC`, …); as arguments,
    under the names of `Options`, they count before it. Wrong ones don't raise: they are logged, and every event is
    then counted as dropped.

    As a context (`with`, `async with`) it closes at the end.

    Args:
        mask: sees every payload before it is encoded, with the name of its field, such as `llm_called.user_prompt`;
            what it returns is sent. Where it raises, a note is sent instead.
        environ: where settings are looked up; `os.environ` unless given.
        options: settings.
    """

    # Positional arguments are wrong, and must not raise either.
    def __init__(
        self,
        *positional: Never,
        mask: Mask | None = None,
        environ: Mapping[str, str] | None = None,
        **options: Unpack[Options],
    ) -> None:
        environ = os.environ if environ is None else environ  # as a default it would stand in every `help(Emitter)`
        try:
            config = read_config(environ, {**dict.fromkeys(map(repr, positional)), **options})
        except SettingsError as error:
            text = "No event will be sent, set AGENT_RUNS_ENABLED=0 if that is meant: %s"
            tell(ERROR, text, "; ".join(error.problems))
            self._channel: Channel | SilentChannel = Channel(EmitterSettings(), mask, None)
        else:
            self._channel = _open_channel(config, mask)

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
        self._channel.put(key_of(run_id), event)
        return event.id

    def flush(self, timeout_s: float | None = None) -> int:
        """Wait until Kafka has acknowledged all that was emitted before.

        It blocks: from asyncio code, `await asyncio.to_thread(emitter.flush)`.

        Args:
            timeout_s: for so many seconds at most; by default `exit_timeout_s` of the settings.

        Returns:
            How many events of it are not acknowledged.
        """
        return self._channel.flush(timeout_s)

    def close(self, timeout_s: float | None = None) -> int:
        """Refuse what comes, wait for what is there, and end.

        It blocks: from asyncio code, `async with` the emitter, or `await asyncio.to_thread(emitter.close)`.

        Args:
            timeout_s: for so many seconds at most; by default `exit_timeout_s` of the settings.

        Returns:
            How many events are not acknowledged; they are given up, and count as dropped.
        """
        return self._channel.close(timeout_s)

    def stats(self) -> Stats:
        """What became of the events so far."""
        return self._channel.stats()

    def _misused(self, method: str, error: Exception) -> None:
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


def _open_channel(config: Config | None, mask: Mask | None) -> Channel | SilentChannel:
    if config is None:
        tell(INFO, "Agent Runs is switched off: no event is sent")
        return SilentChannel()
    text = "Events of runs, with prompts and answers, go to Kafka at %s, topic %s"
    tell(INFO, text, config.kafka.bootstrap_servers, config.emitter.topic)
    return Channel(config.emitter, mask, partial(Delivery, config=config))
