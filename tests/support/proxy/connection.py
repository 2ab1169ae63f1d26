"""One connection through a proxy, and the network faults that apply to it."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from enum import Enum, auto

CHUNK_BYTES = 64 * 1024


class WriteFault(Enum):
    """What happens to a write: a COMMIT or a batch of records."""

    PASSES = auto()
    REQUEST_LOST = auto()  # the connection is cut before the request: the write did not happen
    ANSWER_LOST = auto()  # the connection is cut before the answer: the write happened, and the client has no answer


class Direction(Enum):
    """The direction of bytes through the proxy."""

    TO_SERVER = auto()
    TO_CLIENT = auto()


class Network(ABC):
    """The faults of all connections of a proxy. A test may set and reset each of them at any moment.

    Attributes:
        next_write_faults: the faults of the next writes, in order; writes pass when it is empty.
        write_delay_s: how long a write is held before it is passed on.
        reachable: while it is cleared, nothing passes in either direction, and neither end is informed that the other
            one has closed its connection.
        blocked: bytes in these directions are discarded.
        delay_s: the delay of each chunk.
        bytes_per_s: the bandwidth of each connection in each direction; 0 is unlimited.
        silent_from: when a client sends a chunk that contains these bytes, its connection stays open and nothing passes
            any more, that chunk included. This applies to each connection separately.
        corruptions: this many of the next chunks from the server get one wrong byte, where the client can detect it.
    """

    def __init__(self) -> None:
        self.next_write_faults: deque[WriteFault] = deque()
        self.write_delay_s = 0.0
        self.reachable = asyncio.Event()
        self.reachable.set()
        self.blocked: set[Direction] = set()
        self.delay_s = 0.0
        self.bytes_per_s = 0
        self.corruptions = 0
        self.silent_from: bytes | None = None

    @abstractmethod
    def is_write(self, data: bytes) -> bool:
        """Whether a chunk from the client is a write, to which `next_write_faults` apply."""

    def falls_silent(self, data: bytes) -> bool:
        """Whether nothing passes any more over the connection on which the client sends this chunk."""
        return self.silent_from is not None and self.silent_from in data

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        """The next chunk; empty at the end."""
        return await reader.read(CHUNK_BYTES)

    def corrupted(self, data: bytes) -> bytes:
        """A chunk from the server with one wrong byte; the same object where no byte is checked by the client."""
        return data


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Connection:
    """One connection. While it is `stalled`, it stays open and nothing passes."""

    def __init__(self, network: Network, client: Stream, server: Stream) -> None:
        self.stalled = False
        self._network = network
        self._client = client
        self._server = server
        self._loses_answer = False

    def close_server_end(self) -> None:
        """End it for the server only."""
        self._server[1].transport.abort()

    async def carry(self) -> None:
        """Pass bytes in both directions until one end closes or the task is cancelled."""
        directions = {asyncio.create_task(self._to_server()), asyncio.create_task(self._to_client())}
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
            await self._network.reachable.wait()
        finally:
            for _, writer in (self._client, self._server):
                writer.transport.abort()  # before the wait, which may be cancelled
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)

    async def _to_server(self) -> None:
        while data := await self._network.read(self._client[0]):
            fault = self._next_write_fault(data)
            if fault is WriteFault.REQUEST_LOST:
                return
            self._loses_answer = fault is WriteFault.ANSWER_LOST
            if self._network.falls_silent(data):
                self.stalled = True
            if self._network.write_delay_s and self._network.is_write(data):
                await asyncio.sleep(self._network.write_delay_s)
            await self._pass(data, self._server[1], Direction.TO_SERVER)

    async def _to_client(self) -> None:
        while data := await self._network.read(self._server[0]):
            if self._loses_answer:
                return  # the server has answered, so the write has happened
            await self._pass(self._perhaps_corrupted(data), self._client[1], Direction.TO_CLIENT)

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter, direction: Direction) -> None:
        if self._network.delay_s:
            await asyncio.sleep(self._network.delay_s)
        if self._network.reachable.is_set() and direction not in self._network.blocked and not self.stalled:
            writer.write(data)
            await writer.drain()
        if self._network.bytes_per_s:
            await asyncio.sleep(len(data) / self._network.bytes_per_s)

    def _next_write_fault(self, data: bytes) -> WriteFault:
        if self._network.next_write_faults and self._network.is_write(data):
            return self._network.next_write_faults.popleft()
        return WriteFault.PASSES

    def _perhaps_corrupted(self, data: bytes) -> bytes:
        if not self._network.corruptions:
            return data
        corrupted = self._network.corrupted(data)
        self._network.corruptions -= corrupted is not data
        return corrupted
