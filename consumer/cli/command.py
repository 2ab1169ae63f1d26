"""What every command shares: its settings, its connection, its exit code."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from consumer.config import Config
from consumer.postgres.session import PatientSession
from consumer.postgres.store import Store
from consumer.runtime.retrying import retry_while_unavailable
from consumer.telemetry.observer import set_up_logging


def run(config: Config, work: Coroutine[Any, Any, None]) -> None:
    """Do a command's work."""
    set_up_logging(config.service)
    asyncio.run(work)


async def with_store(config: Config, work: Callable[[Store], Awaitable[None]], what: str) -> None:
    """Work with a connection; from the beginning again, when PostgreSQL goes away meanwhile.

    Raises:
        GaveUp: it stayed away.
    """

    async def attempt() -> None:
        store = await Store.connect(config.database, config.topic.topic)
        try:
            await work(store)
        finally:
            store.terminate()

    await retry_while_unavailable(attempt, what, config.service.give_up_s)


async def with_session(config: Config, work: Callable[[PatientSession], Awaitable[None]]) -> None:
    """Work by questions, each asked again when PostgreSQL goes away meanwhile: what is done stays done.

    Raises:
        GaveUp: it stayed away.
    """
    session = PatientSession(
        lambda: Store.connect(config.database, config.topic.topic), config.database.timeout_s, config.service.give_up_s
    )
    try:
        await work(session)
    finally:
        session.close()
