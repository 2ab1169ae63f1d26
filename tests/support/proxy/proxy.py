"""Proxies in front of Kafka and PostgreSQL, through which a test breaks connections."""

import asyncio
from asyncio import IncompleteReadError, StreamReader
from contextlib import suppress
from enum import IntEnum
from struct import unpack_from
from typing import Self
from urllib.parse import urlsplit

from aiokafka.record.util import calc_crc32c

from tests.support.proxy.connection import Connection, Direction, Network, WriteFault

__all__ = ["Api", "DatabaseProxy", "Direction", "KafkaProxy", "Proxy", "WriteFault"]

HOST = "127.0.0.1"
COMMIT = b"Q\x00\x00\x00\x0cCOMMIT;\x00"  # PostgreSQL's protocol: a simple query, its length, its text
API_KEY = slice(4, 6)  # Kafka's protocol: the kind of a request, which follows its four bytes of length
# Where the fields of Kafka's record batch begin: length, magic byte (2), CRC, the bytes that the CRC covers, records.
BATCH_LENGTH, BATCH_VERSION, BATCH_CHECKSUM, BATCH_CHECKED, BATCH_RECORDS = 8, 16, 17, 21, 61


class Proxy(Network):
    """Passes everything on, except for the faults that are set. `target` is the server's host and port."""

    def __init__(self, host: str = HOST, port: int = 0, listens_on: int = 0) -> None:
        super().__init__()
        self.target = host, port
        self._listens_on = listens_on
        self._connections: dict[asyncio.Task[None], Connection | None] = {}

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, HOST, self._listens_on)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.reset_connections()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        """The port that clients connect to."""
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def address(self) -> str:
        """Host and port that clients connect to."""
        return f"{HOST}:{self.port}"

    def reset_connections(self) -> None:
        """Reset all current connections."""
        for task in self._connections:
            task.cancel()

    def close_server_ends(self) -> None:
        """Close all connections for the server only; while `reachable` is cleared, their clients are not informed."""
        for connection in self._connections.values():
            if connection is not None:
                connection.close_server_end()

    def stall_connections(self) -> None:
        """Let nothing pass over the current connections from now on; new ones work."""
        for connection in self._connections.values():
            if connection is not None:
                connection.stalled = True

    def heal(self) -> None:
        """End all faults and reset all connections: after lost bytes, both ends would misread the rest."""
        self.next_write_faults.clear()
        self.blocked.clear()
        self.delay_s, self.bytes_per_s, self.corruptions = 0.0, 0, 0
        self.write_delay_s = 0.0
        self.silent_from = None
        self.reachable.set()
        self.reset_connections()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = None
        with suppress(OSError, asyncio.CancelledError):
            server = await asyncio.open_connection(*self.target)
            connection = self._connections[task] = Connection(self, (reader, writer), server)
            await connection.carry()
        writer.transport.abort()
        del self._connections[task]


class DatabaseProxy(Proxy):
    """A proxy in front of PostgreSQL, whose writes are COMMITs."""

    def __init__(self, database_url: str) -> None:
        self._url = urlsplit(database_url)
        super().__init__(self._url.hostname or HOST, self._url.port or 5432)

    @property
    def database_url(self) -> str:
        """The URL of the database through this proxy."""
        return self.url_of(self._url.path.lstrip("/"))

    def url_of(self, database: str) -> str:
        """The URL of another database of the same server through this proxy."""
        user = f"{self._url.username}@" if self._url.username else ""
        return self._url._replace(netloc=f"{user}{HOST}:{self.port}", path=f"/{database}").geturl()

    def is_write(self, data: bytes) -> bool:
        # The driver sends nothing else until it has the answer, so a COMMIT is a chunk of its own.
        return data == COMMIT


class Api(IntEnum):
    """The API keys of Kafka's protocol: the kinds of requests."""

    PRODUCE = 0
    FETCH = 1
    LIST_OFFSETS = 2
    METADATA = 3
    OFFSET_COMMIT = 8
    OFFSET_FETCH = 9
    FIND_COORDINATOR = 10
    JOIN_GROUP = 11
    HEARTBEAT = 12
    SYNC_GROUP = 14
    DESCRIBE_GROUPS = 15
    API_VERSIONS = 18  # the first request of each connection
    CREATE_TOPICS = 19
    DESCRIBE_CONFIGS = 32


class KafkaProxy(Proxy):
    """A proxy in front of a broker that advertises the proxy's address; its writes are produce requests.

    Attributes:
        silent_at: when a client sends a request of this kind, its connection stays open and nothing passes any more,
            that request included. This applies to each connection separately.
        silenced: the number of connections that fell silent.
    """

    silent_at: Api | None = None
    silenced: int = 0

    def is_write(self, data: bytes) -> bool:
        return _api_key(data) == Api.PRODUCE

    def falls_silent(self, data: bytes) -> bool:
        silent = self.silent_at is not None and _api_key(data) == self.silent_at
        self.silenced += silent
        return silent or super().falls_silent(data)

    def heal(self) -> None:
        self.silent_at = None
        super().heal()

    async def read(self, reader: StreamReader) -> bytes:
        """One whole request or response."""
        try:
            length = await reader.readexactly(4)
            return length + await reader.readexactly(int.from_bytes(length))
        except IncompleteReadError:
            return b""  # an incomplete one is discarded

    def corrupted(self, data: bytes) -> bytes:
        """The response with a wrong last byte in its first record batch; the batch's CRC detects it."""
        for at in _batches(data):
            last = at + BATCH_LENGTH + 3 + unpack_from(">i", data, at + BATCH_LENGTH)[0]
            return data[:last] + bytes([data[last] ^ 0xFF]) + data[last + 1 :]
        return data


def _api_key(request: bytes) -> int:
    return int.from_bytes(request[API_KEY])


def _batches(data: bytes) -> list[int]:
    """Where record batches begin: where what looks like a batch has the right CRC."""
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
