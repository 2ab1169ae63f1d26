"""Runs a command's work in an event loop, with logging and, where needed, a connection to PostgreSQL."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from consumer.errors import NewConnection, Unavailable
from consumer.postgres.session import Connect, PatientSession, Session
from consumer.postgres.store import Store
from consumer.runtime.retrying import retry_while_unavailable
from consumer.settings import Config
from consumer.telemetry.log_setup import set_up_logging

_T = TypeVar("_T")


def run(config: Config, work: Coroutine[Any, Any, _T]) -> _T:
    """Set up logging, run a command's work in an event loop, and return its result."""
    set_up_logging(config.service)
    return asyncio.run(work)


def run_with_session(config: Config, work: Callable[[PatientSession], Coroutine[Any, Any, _T]]) -> _T:
    """Set up logging, run a command's work with a session, and return its result. Closes the session.

    Raises:
        GaveUp: PostgreSQL stayed unavailable for AGENT_RUNS_GIVE_UP_S.
    """
    return run_with_sessions(config, 1, lambda sessions: work(sessions[0]))


def run_with_sessions(
    config: Config, count: int, work: Callable[[Sequence[PatientSession]], Coroutine[Any, Any, _T]]
) -> _T:
    """Set up logging, run a command's work with `count` sessions, and return its result. Closes the sessions.

    Raises:
        GaveUp: PostgreSQL stayed unavailable for AGENT_RUNS_GIVE_UP_S.
    """

    async def with_sessions() -> _T:
        timeout_s, give_up_s = config.database.timeout_s, config.service.give_up_s
        sessions = [PatientSession(_connect(config), timeout_s, give_up_s) for _ in range(count)]
        try:
            return await work(sessions)
        finally:
            for session in sessions:
                session.close()

    return run(config, with_sessions())


def run_repeated(config: Config, work: Callable[[Session], Coroutine[Any, Any, _T]], what: str) -> _T:
    """Set up logging, run the whole work of a command until Kafka and PostgreSQL have answered, and return its result.

    `work` must be safe to execute twice. `what` names it in log lines, as in "read the offsets".

    Raises:
        GaveUp: one of them stayed unavailable for AGENT_RUNS_GIVE_UP_S.
    """
    give_up_s = config.service.give_up_s

    async def attempt() -> _T:
        session = Session(_connect(config), min(config.database.timeout_s, give_up_s))
        try:
            return await work(session)
        except NewConnection as error:
            raise Unavailable(str(error)) from error
        finally:
            session.close()

    # Each query and each request has a deadline of its own. With one for all of them, a topic with many partitions
    # could never be read to its end.
    return run(config, retry_while_unavailable(attempt, what, give_up_s, cancels=False))


def _connect(config: Config) -> Connect:
    return lambda: Store.connect(config.database, config.topic.topic)
