"""The wire itself: each thing that can be done to it is done, beside a server that answers what it hears."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from time import monotonic

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CorruptRecordException

from tests.support.corpus import Message
from tests.support.foreign_producer import foreign_producer, publish
from tests.support.proxy.proxied_kafka import wired_kafka
from tests.support.proxy.proxy import KafkaProxy, Proxy, Way

SILENCE_S = 0.2


class PlainProxy(Proxy):
    def changes(self, data: bytes) -> bool:
        return False


class Caller:
    """A connection to the server that answers what it hears."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def hears(self, said: bytes) -> bytes:
        self.writer.write(said)
        return await asyncio.wait_for(self.reader.readexactly(len(said)), 5)

    async def hears_nothing(self, said: bytes) -> bool:
        self.writer.write(said)
        try:
            await asyncio.wait_for(self.reader.readexactly(1), SILENCE_S)
        except TimeoutError:
            return True
        return False

    async def is_reset(self) -> bool:
        try:
            return await asyncio.wait_for(self.reader.read(1), 5) == b""
        except ConnectionError:
            return True


@pytest.fixture
async def heard() -> bytearray:
    return bytearray()


@pytest.fixture
async def proxy(heard: bytearray) -> AsyncIterator[Proxy]:
    async def answer(reader: StreamReader, writer: StreamWriter) -> None:
        while data := await reader.read(65536):
            heard.extend(data)
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with PlainProxy("127.0.0.1", server.sockets[0].getsockname()[1]) as opened:
        yield opened
    server.close()


@pytest.fixture
async def call(proxy: Proxy) -> AsyncIterator[Caller]:
    made = await caller(proxy)
    assert await made.hears(b"hello") == b"hello"
    yield made
    made.writer.close()


async def caller(proxy: Proxy) -> Caller:
    return Caller(*await asyncio.open_connection("127.0.0.1", proxy.port))


async def test_what_goes_into_a_black_hole_is_gone(proxy: Proxy, call: Caller, heard: bytearray) -> None:
    proxy.audible.clear()
    assert await call.hears_nothing(b"lost")
    proxy.audible.set()
    assert await call.hears(b"found") == b"found"
    assert heard == b"hellofound"


@pytest.mark.parametrize(("way", "arrives"), [(Way.THERE, b"hello"), (Way.BACK, b"hellolost")])
async def test_one_direction_is_cut_without_a_word(
    proxy: Proxy, call: Caller, heard: bytearray, way: Way, arrives: bytes
) -> None:
    proxy.deaf.add(way)
    assert await call.hears_nothing(b"lost")
    assert heard == arrives
    proxy.deaf.clear()
    assert await call.hears(b"found") == b"found"


async def test_a_slow_wire_takes_its_time_in_each_direction(proxy: Proxy, call: Caller) -> None:
    proxy.delay_s = 0.2
    began = monotonic()
    await call.hears(b"x")
    assert monotonic() - began >= 0.4


async def test_a_narrow_wire_carries_no_more_than_it_may(proxy: Proxy, call: Caller) -> None:
    proxy.bytes_per_s = 100_000
    began = monotonic()
    for _ in range(3):
        await call.hears(bytes(20_000))
    assert monotonic() - began >= 0.4  # the last piece is paid for by whoever comes next


async def test_an_abandoned_connection_stays_open_and_mute_and_a_new_one_is_well(proxy: Proxy, call: Caller) -> None:
    proxy.abandon()
    assert await call.hears_nothing(b"lost")
    other = await caller(proxy)
    assert await other.hears(b"found") == b"found"
    other.writer.close()
    assert await call.hears_nothing(b"still lost")


async def test_a_healed_wire_carries_everything_and_keeps_no_connection_that_lost_something(
    proxy: Proxy, call: Caller
) -> None:
    proxy.delay_s, proxy.bytes_per_s, proxy.flips = 100, 1, 1
    proxy.deaf.update(Way)
    proxy.audible.clear()
    proxy.heal()
    assert await call.is_reset()
    other = await caller(proxy)
    assert await other.hears(b"hello") == b"hello"
    other.writer.close()


async def test_a_flipped_byte_in_a_fetched_batch_is_noticed_by_its_checksum() -> None:
    async with wired_kafka("t") as (proxy, bootstrap_servers):
        # Given a batch of records in a log, and a consumer of it by way of a wire that gets one byte wrong,
        messages = [Message(b"k", b"value" * n) for n in range(50)]
        await asyncio.to_thread(publish, foreign_producer(bootstrap_servers), "t", messages)
        async with AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, auto_offset_reset="none") as consumer:
            consumer.assign([TopicPartition("t", 0)])
            consumer.seek(TopicPartition("t", 0), 0)
            proxy.flips = 1
            # when it fetches, then it notices,
            with pytest.raises(CorruptRecordException):
                await fetch(consumer)
            assert proxy.flips == 0
            # and what it fetches again is well.
            consumer.seek(TopicPartition("t", 0), 0)
            assert (await fetch(consumer))[0] == b""


async def fetch(consumer: AIOKafkaConsumer) -> list[bytes]:
    """The values of what comes next."""
    while not (arrived := await consumer.getmany(timeout_ms=1000)):
        pass
    return [record.value for records in arrived.values() for record in records]


def test_what_only_looks_like_a_batch_of_records_is_left_alone() -> None:
    data = bytes([2]) * 500
    assert KafkaProxy().spoilt(data) is data
