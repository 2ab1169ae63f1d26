"""Runs a command's work in an event loop, with logging and, where needed, a connection to PostgreSQL."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from consumer.postgres.session import PatientSession
from consumer.postgres.store import Store
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

    async def with_session() -> _T:
        session = PatientSession(
            lambda: Store.connect(config.database, config.topic.topic),
            config.database.timeout_s,
            config.service.give_up_s,
        )
        try:
            return await work(session)
        finally:
            session.close()

    return run(config, with_session())
