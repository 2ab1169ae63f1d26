"""A wire between a client and its server that can be cut at the worst moment."""

import asyncio
from asyncio import IncompleteReadError, StreamReader
from contextlib import suppress
from struct import unpack_from
from typing import Self
from urllib.parse import urlsplit

from aiokafka.record.util import calc_crc32c

from tests.support.proxy.wire import Fate, Link, Way, Wire

__all__ = ["DatabaseProxy", "Fate", "KafkaProxy", "Proxy", "Way"]

HOST = "127.0.0.1"
COMMIT = b"Q\x00\x00\x00\x0cCOMMIT;\x00"  # PostgreSQL's protocol: a simple query, its length, its text
PRODUCE = b"\x00\x00"  # Kafka's protocol: the number of a request's kind, behind four bytes of length
# Kafka's batch of records: offset, length, epoch, a 2 for its version, checksum; and what the checksum is of.
BATCH_LENGTH, BATCH_VERSION, BATCH_CHECKSUM, BATCH_CHECKED, BATCH_RECORDS = 8, 16, 17, 21, 61


class Proxy(Wire):
    """Passes everything on, apart from what it was told to do. `target` is where the server is: host and port."""

    def __init__(self, host: str = HOST, port: int = 0, listens_on: int = 0) -> None:
        super().__init__()
        self.target = host, port
        self._listens_on = listens_on
        self._links: dict[asyncio.Task[None], Link | None] = {}

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, HOST, self._listens_on)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
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
        for task in self._links:
            task.cancel()

    def cut_servers_end(self) -> None:
        """End all connections, for the server only: in a black hole their clients don't hear of it."""
        for link in self._links.values():
            if link is not None:
                link.cut_servers_end()

    def abandon(self) -> None:
        """From now on nothing passes over the connections that there are; new ones are well."""
        for link in self._links.values():
            if link is not None:
                link.abandoned = True

    def heal(self) -> None:
        """Carry everything again. Connections that have lost something are reset: their ends would misread the rest."""
        self.fates.clear()
        self.deaf.clear()
        self.delay_s, self.bytes_per_s, self.flips = 0.0, 0, 0
        self.change_delay_s = 0.0
        self.silent_from = None
        self.audible.set()
        self.cut()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links[task] = None
        with suppress(OSError, asyncio.CancelledError):
            server = await asyncio.open_connection(*self.target)
            link = self._links[task] = Link(self, (reader, writer), server)
            await link.carry()
        writer.transport.abort()
        del self._links[task]


class DatabaseProxy(Proxy):
    """In front of PostgreSQL: COMMITs have a fate."""

    def __init__(self, database_url: str) -> None:
        self._url = urlsplit(database_url)
        super().__init__(self._url.hostname or HOST, self._url.port or 5432)

    @property
    def database_url(self) -> str:
        """The database, by way of this proxy."""
        return self.url_of(self._url.path.lstrip("/"))

    def url_of(self, database: str) -> str:
        """Another database of the same server, by way of this proxy."""
        user = f"{self._url.username}@" if self._url.username else ""
        return self._url._replace(netloc=f"{user}{HOST}:{self.port}", path=f"/{database}").geturl()

    def changes(self, data: bytes) -> bool:
        # The driver sends nothing else before it has the answer: a COMMIT is a chunk of its own.
        return data == COMMIT


class KafkaProxy(Proxy):
    """In front of a broker, which must advertise the proxy's address as its own: batches of records have a fate."""

    def changes(self, data: bytes) -> bool:
        return data[4:6] == PRODUCE

    async def read(self, reader: StreamReader) -> bytes:
        """One request or one answer, whole."""
        try:
            length = await reader.readexactly(4)
            return length + await reader.readexactly(int.from_bytes(length))
        except IncompleteReadError:
            return b""  # half of one is of no use to anybody

    def spoilt(self, data: bytes) -> bytes:
        """A wrong byte in the last record of an answer's first batch of records: the batch's checksum tells."""
        for at in _batches(data):
            last = at + BATCH_LENGTH + 3 + unpack_from(">i", data, at + BATCH_LENGTH)[0]
            return data[:last] + bytes([data[last] ^ 0xFF]) + data[last + 1 :]
        return data


def _batches(data: bytes) -> list[int]:
    """Where batches of records begin: where what looks like one has the right checksum."""
    found = []
    version = data.find(2, BATCH_VERSION)
    while version != -1 and version < len(data) - (BATCH_RECORDS - BATCH_VERSION):
        at = version - BATCH_VERSION
        (length,) = unpack_from(">i", data, at + BATCH_LENGTH)
        end = at + BATCH_LENGTH + 4 + length
        if length > BATCH_RECORDS - BATCH_LENGTH - 4 and end <= len(data):
            (checksum,) = unpack_from(">I", data, at + BATCH_CHECKSUM)
            if checksum == calc_crc32c(data[at + BATCH_CHECKED : end]):
                found.append(at)
                version = end - 1
        version = data.find(2, version + 1)
    return found
