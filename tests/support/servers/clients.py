"""Short ways to write to the servers and to read from them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.support.waiting import until

DEADLINE_S = 30

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Connection]:
    """A connection to a database, closed at the end of the block."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def execute(url: str, statement: str) -> None:
    """Run a statement on its own connection."""
    async with connect(url) as connection:
        await connection.execute(statement)


async def fetch_value(url: str, query: str, *arguments: object) -> object:
    """The first column of the first row."""
    async with connect(url) as connection:
        value: object = await connection.fetchval(query, *arguments)
    return value


@asynccontextmanager
async def busy_session(url: str) -> AsyncIterator[int]:
    """A session whose backend runs an endless statement, so it does not notice when its server is gone.

    Yields the backend's process id.
    """
    connection = await asyncpg.connect(url)
    pid: int = connection.get_server_pid()
    endless = asyncio.create_task(connection.execute("DO 'BEGIN LOOP END LOOP; END'"))
    state = "SELECT state = 'active' AND query LIKE 'DO%' FROM pg_stat_activity WHERE pid = $1"

    async def busy() -> bool:
        return bool(await fetch_value(url, state, pid))

    await until(busy, "the backend runs its endless statement")
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
