"""A wire between a client and its server that can be cut at the worst moment."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from contextlib import suppress
from enum import Enum, auto
from typing import Self
from urllib.parse import urlsplit

HOST = "127.0.0.1"
CHUNK_BYTES = 64 * 1024
COMMIT = b"Q\x00\x00\x00\x0cCOMMIT;\x00"  # PostgreSQL's protocol: a simple query, its length, its text
PRODUCE = b"\x00\x00"  # Kafka's protocol: the number of a request's kind, behind four bytes of length


class Fate(Enum):
    """What becomes of a request that changes something: a COMMIT, a batch of records."""

    PASSES = auto()
    NEVER_ARRIVES = auto()  # the wire is cut before it: it did not happen
    ANSWER_IS_LOST = auto()  # the wire is cut behind it: it happened, and the client cannot know


class Proxy(ABC):
    """Passes everything on, apart from what it was told to do.

    Attributes:
        target: where the server is: host and port.
        fates: of the requests to come that change something, in order; when they are used up, all pass.
        change_delay_s: how long a request that changes something is kept before it goes on.
        audible: when it is cleared, a black hole: nothing passes in either direction, and nobody is told that the other
            end has gone.
        answered: when it is cleared, a wire that is dead in one direction: requests arrive, and their answers don't.
    """

    def __init__(self, host: str = HOST, port: int = 0, listens_on: int = 0) -> None:
        self.target = host, port
        self._listens_on = listens_on
        self.fates: deque[Fate] = deque()
        self.change_delay_s = 0.0
        self.audible = asyncio.Event()
        self.audible.set()
        self.answered = asyncio.Event()
        self.answered.set()
        self._links: set[asyncio.Task[None]] = set()
        self._ends: set[asyncio.WriteTransport] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, HOST, self._listens_on)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        """Where clients find it."""
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def address(self) -> str:
        """The same, with the host."""
        return f"{HOST}:{self.port}"

    def cut(self) -> None:
        """Reset all connections that there are."""
        for link in self._links:
            link.cancel()

    def cut_servers_end(self) -> None:
        """End all connections, for the server only: in a black hole their clients don't hear of it."""
        for link in self._ends:
            link.abort()

    @abstractmethod
    def changes(self, data: bytes) -> bool:
        """Whether this is a request that has a fate."""

    def passed_back(self, data: bytes) -> bytes:
        """What arrives of what the server says."""
        return data

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.current_task()
        assert link is not None
        self._links.add(link)
        with suppress(OSError, asyncio.CancelledError):
            server = await asyncio.open_connection(*self.target)
            self._ends.add(server[1].transport)
            await Link(self, (reader, writer), server).carry()
            self._ends.discard(server[1].transport)
        writer.transport.abort()
        self._links.discard(link)


class DatabaseProxy(Proxy):
    """In front of PostgreSQL: COMMITs have a fate."""

    def __init__(self, database_url: str) -> None:
        self._url = urlsplit(database_url)
        super().__init__(self._url.hostname or HOST, self._url.port or 5432)

    @property
    def database_url(self) -> str:
        """The database, by way of this proxy."""
        user = f"{self._url.username}@" if self._url.username else ""
        return self._url._replace(netloc=f"{user}{HOST}:{self.port}").geturl()

    def changes(self, data: bytes) -> bool:
        # The driver sends nothing else before it has the answer: a COMMIT is a chunk of its own.
        return data == COMMIT


class KafkaProxy(Proxy):
    """In front of a broker, which must advertise the proxy's address as its own: batches of records have a fate.

    Attributes:
        blemishes: texts in records; the first time that one is on its way to a client, a bit of it falls over.
    """

    def __init__(self, host: str = HOST, port: int = 0, listens_on: int = 0) -> None:
        super().__init__(host, port, listens_on)
        self.blemishes: deque[bytes] = deque()

    def passed_back(self, data: bytes) -> bytes:
        if not self.blemishes or self.blemishes[0] not in data:
            return data
        text = self.blemishes.popleft()
        return data.replace(text, bytes([text[0] ^ 1]) + text[1:], 1)

    def changes(self, data: bytes) -> bool:
        return data[4:6] == PRODUCE


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Link:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy, client: Stream, server: Stream) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._loses_answers = False

    async def carry(self) -> None:
        """Pass on in both directions until one end closes, or the wire is cut."""
        ways = {asyncio.create_task(self._there()), asyncio.create_task(self._back())}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            await self._proxy.audible.wait()  # in a black hole nobody is told
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for _, writer in (self._client, self._server):
                writer.transport.abort()

    async def _there(self) -> None:
        while data := await self._client[0].read(CHUNK_BYTES):
            fate = self._fate_of(data)
            if fate is Fate.NEVER_ARRIVES:
                return
            self._loses_answers = fate is Fate.ANSWER_IS_LOST
            if self._proxy.change_delay_s and self._proxy.changes(data):
                await asyncio.sleep(self._proxy.change_delay_s)
            self._pass(data, self._server[1])

    async def _back(self) -> None:
        while data := await self._server[0].read(CHUNK_BYTES):
            if self._loses_answers:
                return  # the server has answered, and so it has committed
            if self._proxy.answered.is_set():
                self._pass(self._proxy.passed_back(data), self._client[1])

    def _pass(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        if self._proxy.audible.is_set():
            writer.write(data)

    def _fate_of(self, data: bytes) -> Fate:
        return self._proxy.fates.popleft() if self._proxy.fates and self._proxy.changes(data) else Fate.PASSES
