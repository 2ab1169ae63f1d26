"""A producer that publishes for the duration of a block, whatever happens to the servers meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import islice
from random import Random

from tests.support.foreign_producer import foreign_producer, publish
from tests.support.scene import Scene
from tests.support.workloads.mixed import ordinary_events

BURST = 20
PAUSE_S = 0.03  # about 600 records a second: consumers are never idle, and can still catch up


@asynccontextmanager
async def publishing(scene: Scene, seed: int) -> AsyncIterator[None]:
    """Publish valid events, each once; at the end of the block all of them are acknowledged."""
    done = asyncio.Event()
    task = asyncio.create_task(_publish(scene, seed, done))
    try:
        yield
    finally:
        done.set()
        await task


async def _publish(scene: Scene, seed: int, done: asyncio.Event) -> None:
    # Without its log: librdkafka writes a line for each attempt to reach a broker that is down.
    producer = foreign_producer(scene.servers.bootstrap_servers, log_level=0)
    messages = ordinary_events(Random(seed))
    while not done.is_set():
        await asyncio.to_thread(publish, producer, scene.topic, list(islice(messages, BURST)))
        with suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), PAUSE_S)
