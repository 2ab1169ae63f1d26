"""The shortest ways to put something into the servers and to look at it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

DEADLINE_S = 30


async def execute(url: str, statement: str) -> None:
    """Run a statement on a connection of its own."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def fetch_value(url: str, query: str, *arguments: object) -> object:
    """The first column of the first row."""
    connection = await asyncpg.connect(url)
    try:
        value: object = await connection.fetchval(query, *arguments)
    finally:
        await connection.close()
    return value


@asynccontextmanager
async def busy_session(url: str) -> AsyncIterator[int]:
    """A session that computes for ever, and so doesn't notice when its server is gone. Yields its backend's pid."""
    connection = await asyncpg.connect(url)
    pid: int = connection.get_server_pid()
    endless = asyncio.create_task(connection.execute("DO 'BEGIN LOOP END LOOP; END'"))
    state = "SELECT state = 'active' AND query LIKE 'DO%' FROM pg_stat_activity WHERE pid = $1"
    await until(lambda: fetch_value(url, state, pid))
    try:
        yield pid
    finally:
        connection.terminate()
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await endless


async def produce(bootstrap_servers: str, topic: str, value: bytes) -> None:
    """Send one record and wait for its acknowledgement."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers) as producer:
        await producer.send_and_wait(topic, value)


async def first_record(bootstrap_servers: str, topic: str) -> bytes | None:
    """The value of the first record of the topic's first partition."""
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap_servers) as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        value: bytes | None = (await asyncio.wait_for(consumer.getone(), DEADLINE_S)).value
    return value


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait for the condition. Raises TimeoutError when it doesn't come to hold."""
    async with asyncio.timeout(DEADLINE_S):
        while not await condition():  # noqa: ASYNC110 (a server has no Event to wait for)
            await asyncio.sleep(0.02)
