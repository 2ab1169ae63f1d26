"""The service's `Store`, with a connection to the model of PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import cast

from consumer.errors import ConnectionLost
from consumer.postgres.store import Row, Store
from tests.simulation.postgres.queries import Rows
from tests.simulation.postgres.server import Server, Work
from tests.simulation.postgres.tables import sql_error


class _Scope(AbstractAsyncContextManager[None]):
    def __init__(self, store: ModelStore) -> None:
        self._store = store

    async def __aenter__(self) -> None:
        await self._store.ask("BEGIN", self._store.backend.begin)

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            await self._store.ask("COMMIT", self._store.backend.commit)
        elif self._store.usable:
            await self._store.ask("ROLLBACK", self._store.backend.rollback)


class ModelStore(Store):
    """One connection, with the interface of the service's Store."""

    def __init__(self, server: Server, topic: str) -> None:
        self.topic = topic
        self.backend = server.connect()
        self._terminated = False

    @classmethod
    async def open(cls, server: Server, topic: str) -> ModelStore:
        await server.network_delay()
        if not server.available:
            raise sql_error("57P03", "the database system is starting up")
        store = cls(server, topic)
        try:
            await server.network_delay()
        except asyncio.CancelledError:
            store.terminate()
            raise
        return store

    @property
    def usable(self) -> bool:
        return self.backend.alive and not self._terminated

    def terminate(self) -> None:
        if self.usable:
            self._terminated = True
            self.backend.hang_up()
            answer = self.backend._answer
            if answer is not None and not answer.done():
                answer.set_exception(ConnectionLost("the connection was cut"))

    async def close(self) -> None:
        self.terminate()

    async def ask(self, name: str, work: Work) -> Rows:
        if not self.usable:
            raise ConnectionLost("the connection is closed")
        answer: asyncio.Future[Rows] = asyncio.get_running_loop().create_future()
        self.backend.receive(name, work, answer)
        try:
            return await answer
        except asyncio.CancelledError:
            self.terminate()
            raise

    async def fetch(self, query: str, *parameters: object) -> list[Row]:
        return cast("list[Row]", await self.ask(query, lambda: self.backend.query(query, parameters)))

    def transaction(self) -> AbstractAsyncContextManager[None]:  # type: ignore[override]  # another of its kind
        return _Scope(self)

    async def copy_events(self, stream: AsyncIterator[bytes]) -> int:
        await self.ask("COPY", self.backend.begin_copy)
        chunks = [chunk async for chunk in stream]
        return len(cast("list[Row]", await self.ask("COPY data", lambda: self.backend.end_copy(b"".join(chunks)))))
