"""Each fault of the proxy works as described, in front of a server that echoes what it receives."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from time import monotonic

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CorruptRecordException

from tests.support.foreign_producer import foreign_producer, publish
from tests.support.messages import Message
from tests.support.proxy.proxied_kafka import proxied_kafka
from tests.support.proxy.proxy import Direction, KafkaProxy, Proxy
from tests.support.waiting import DEADLINE_S, until

SILENCE_S = 0.2


class PlainProxy(Proxy):
    def is_write(self, data: bytes) -> bool:
        return False


class EchoClient:
    """A client of the echo server."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def echo(self, data: bytes) -> bytes:
        self.writer.write(data)
        return await asyncio.wait_for(self.reader.readexactly(len(data)), DEADLINE_S)

    async def gets_no_answer(self, data: bytes) -> bool:
        self.writer.write(data)
        try:
            await asyncio.wait_for(self.reader.readexactly(1), SILENCE_S)
        except TimeoutError:
            return True
        return False

    async def is_reset(self) -> bool:
        try:
            return await asyncio.wait_for(self.reader.read(1), DEADLINE_S) == b""
        except ConnectionError:
            return True


@pytest.fixture
async def received() -> bytearray:
    return bytearray()


@pytest.fixture
async def proxy(received: bytearray) -> AsyncIterator[Proxy]:
    async def answer(reader: StreamReader, writer: StreamWriter) -> None:
        while data := await reader.read(65536):
            received.extend(data)
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with PlainProxy("127.0.0.1", server.sockets[0].getsockname()[1]) as opened:
        yield opened
    server.close()


@pytest.fixture
async def client(proxy: Proxy) -> AsyncIterator[EchoClient]:
    opened = await connect(proxy)
    assert await opened.echo(b"hello") == b"hello"
    yield opened
    opened.writer.close()


async def connect(proxy: Proxy) -> EchoClient:
    return EchoClient(*await asyncio.open_connection("127.0.0.1", proxy.port))


async def test_data_sent_through_a_silent_proxy_is_lost(proxy: Proxy, client: EchoClient, received: bytearray) -> None:
    proxy.reachable.clear()
    assert await client.gets_no_answer(b"lost")
    proxy.reachable.set()
    assert await client.echo(b"found") == b"found"
    assert received == b"hellofound"


@pytest.mark.parametrize(("way", "arrives"), [(Direction.TO_SERVER, b"hello"), (Direction.TO_CLIENT, b"hellolost")])
async def test_one_direction_is_dropped_silently(
    proxy: Proxy, client: EchoClient, received: bytearray, way: Direction, arrives: bytes
) -> None:
    proxy.blocked.add(way)
    assert await client.gets_no_answer(b"lost")
    await until(lambda: received == arrives, "the server has received what passes")
    proxy.blocked.clear()
    assert await client.echo(b"found") == b"found"


async def test_a_delay_applies_to_each_direction(proxy: Proxy, client: EchoClient) -> None:
    proxy.delay_s = 0.2
    began = monotonic()
    await client.echo(b"x")
    assert monotonic() - began >= 0.4


async def test_the_bandwidth_is_limited(proxy: Proxy, client: EchoClient) -> None:
    proxy.bytes_per_s = 100_000
    began = monotonic()
    for _ in range(3):
        await client.echo(bytes(20_000))
    assert monotonic() - began >= 0.4  # the wait for the last chunk delays only the next one


async def test_an_abandoned_connection_stays_silent_and_a_new_one_works(proxy: Proxy, client: EchoClient) -> None:
    proxy.stall_connections()
    assert await client.gets_no_answer(b"lost")
    other = await connect(proxy)
    assert await other.echo(b"found") == b"found"
    other.writer.close()
    assert await client.gets_no_answer(b"still lost")


async def test_healing_resets_connections_that_have_lost_data_and_new_ones_work(
    proxy: Proxy, client: EchoClient
) -> None:
    proxy.delay_s, proxy.bytes_per_s, proxy.corruptions = 100, 1, 1
    proxy.blocked.update(Direction)
    proxy.reachable.clear()
    proxy.heal()
    assert await client.is_reset()
    other = await connect(proxy)
    assert await other.echo(b"hello") == b"hello"
    other.writer.close()


async def test_a_flipped_byte_in_a_fetched_batch_fails_its_checksum() -> None:
    async with proxied_kafka("t") as (proxy, bootstrap_servers):
        # Given a batch of records, and a consumer behind a proxy that flips one byte,
        messages = [Message(b"k", b"value" * n) for n in range(50)]
        await asyncio.to_thread(publish, foreign_producer(bootstrap_servers), "t", messages)
        async with AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, auto_offset_reset="none") as consumer:
            consumer.assign([TopicPartition("t", 0)])
            consumer.seek(TopicPartition("t", 0), 0)
            proxy.corruptions = 1
            # when it fetches, then the checksum fails,
            with pytest.raises(CorruptRecordException):
                await fetch(consumer)
            assert proxy.corruptions == 0
            # and the next fetch succeeds.
            consumer.seek(TopicPartition("t", 0), 0)
            assert (await fetch(consumer))[0] == b""


async def fetch(consumer: AIOKafkaConsumer) -> list[bytes]:
    """The values of the next records."""
    while not (arrived := await consumer.getmany(timeout_ms=1000)):
        pass
    return [record.value for records in arrived.values() for record in records]


def test_data_that_only_looks_like_a_batch_is_unchanged() -> None:
    data = bytes([2]) * 500
    assert KafkaProxy().corrupted(data) is data
