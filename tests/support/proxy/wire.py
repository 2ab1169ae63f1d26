"""One connection through a proxy, and what can be done to it while it carries bytes."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from enum import Enum, auto

CHUNK_BYTES = 64 * 1024


class Fate(Enum):
    """What becomes of a request that changes something: a COMMIT, a batch of records."""

    PASSES = auto()
    NEVER_ARRIVES = auto()  # the wire is cut before it: it did not happen
    ANSWER_IS_LOST = auto()  # the wire is cut behind it: it happened, and the client cannot know


class Way(Enum):
    """A direction."""

    THERE = auto()  # to the server
    BACK = auto()  # to the client


class Wire(ABC):
    """What is done to all links of a proxy, now. Each of these may be set and taken back at any moment.

    Attributes:
        fates: of the requests to come that change something, in order; when they are used up, all pass.
        change_delay_s: how long a request that changes something is kept before it goes on.
        audible: when it is cleared, a black hole: nothing passes in either direction, and nobody is told that the other
            end has gone.
        deaf: nothing passes in these directions; bytes are gone without a word.
        delay_s: how long each piece is under way.
        bytes_per_s: no link carries more than that in a direction; 0 is without limit.
        silent_from: when a client sends a piece that contains these bytes, its connection stays open and nothing passes
            any more, that piece included.
        flips: so many pieces from the server get one wrong byte where the client could notice it.
    """

    def __init__(self) -> None:
        self.fates: deque[Fate] = deque()
        self.change_delay_s = 0.0
        self.audible = asyncio.Event()
        self.audible.set()
        self.deaf: set[Way] = set()
        self.delay_s = 0.0
        self.bytes_per_s = 0
        self.flips = 0
        self.silent_from: bytes | None = None

    @abstractmethod
    def changes(self, data: bytes) -> bool:
        """Whether this is a request that has a fate."""

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        """The next piece; empty at the end."""
        return await reader.read(CHUNK_BYTES)

    def spoilt(self, data: bytes) -> bytes:
        """The same from the server with a wrong byte; the same object where there is none to be wrong."""
        return data


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Link:
    """One connection. `abandoned`: it stays open, and nothing passes any more."""

    def __init__(self, wire: Wire, client: Stream, server: Stream) -> None:
        self.abandoned = False
        self._wire = wire
        self._client = client
        self._server = server
        self._loses_answers = False

    def cut_servers_end(self) -> None:
        """End it for the server only."""
        self._server[1].transport.abort()

    async def carry(self) -> None:
        """Pass on in both directions until one end closes, or the wire is cut."""
        ways = {asyncio.create_task(self._there()), asyncio.create_task(self._back())}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            await self._wire.audible.wait()
        finally:
            for _, writer in (self._client, self._server):
                writer.transport.abort()  # before the wait, which may be cancelled
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _there(self) -> None:
        while data := await self._wire.read(self._client[0]):
            fate = self._fate_of(data)
            if fate is Fate.NEVER_ARRIVES:
                return
            self._loses_answers = fate is Fate.ANSWER_IS_LOST
            if self._wire.silent_from is not None and self._wire.silent_from in data:
                self.abandoned = True
            if self._wire.change_delay_s and self._wire.changes(data):
                await asyncio.sleep(self._wire.change_delay_s)
            await self._pass(data, self._server[1], Way.THERE)

    async def _back(self) -> None:
        while data := await self._wire.read(self._server[0]):
            if self._loses_answers:
                return  # the server has answered, and so it has committed
            await self._pass(self._perhaps_spoilt(data), self._client[1], Way.BACK)

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter, way: Way) -> None:
        if self._wire.delay_s:
            await asyncio.sleep(self._wire.delay_s)
        if self._wire.audible.is_set() and way not in self._wire.deaf and not self.abandoned:
            writer.write(data)
            await writer.drain()
        if self._wire.bytes_per_s:
            await asyncio.sleep(len(data) / self._wire.bytes_per_s)

    def _fate_of(self, data: bytes) -> Fate:
        return self._wire.fates.popleft() if self._wire.fates and self._wire.changes(data) else Fate.PASSES

    def _perhaps_spoilt(self, data: bytes) -> bytes:
        if not self._wire.flips:
            return data
        spoilt = self._wire.spoilt(data)
        self._wire.flips -= spoilt is not data
        return spoilt
