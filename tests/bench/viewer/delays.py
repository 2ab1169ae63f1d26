"""Measures the time from an agent's call to the line on the page: emitter, Kafka, consumer, PostgreSQL, viewer."""

import asyncio
import time
from contextlib import AsyncExitStack
from statistics import quantiles
from typing import Any, Final
from uuid import uuid4

from agent_runs import Emitter
from tests.bench.database import fresh_database
from tests.bench.scenarios.latency import all_claimed, running_consumer
from tests.bench.servers import Servers, temporary_topic
from tests.bench.viewer.process import running_viewer
from tests.support.viewer_process import get, stream
from tests.support.waiting import until

_RUNS: Final = 10
_EVENTS: Final = 15  # of each run
# The time between two events of a run, in seconds. The viewer reads an idle run no less often than a busy one.
GAPS: Final = {"quiet": 0.5, "idle": 3.0}


async def measure(servers: Servers) -> dict[str, dict[str, float]]:
    """Return the median and the 99th percentile in milliseconds for each gap between events."""
    topic = f"viewer-{uuid4().hex}"
    async with AsyncExitStack() as opened:
        await opened.enter_async_context(temporary_topic(servers, topic, ()))
        database = await opened.enter_async_context(fresh_database(servers.template))
        kafka = {"KAFKA_BOOTSTRAP_SERVERS": servers.bootstrap_servers, "AGENT_RUNS_TOPIC": topic}
        consumer = {**kafka, "DATABASE_URL": database.url, "AGENT_RUNS_GROUP": topic}
        await opened.enter_async_context(running_consumer(consumer))
        await until(lambda: all_claimed(database), "all partitions are claimed")
        viewer = await opened.enter_async_context(running_viewer(database.url))
        emitter = Emitter(bootstrap_servers=servers.bootstrap_servers, topic=topic)
        try:
            return {name: await _delays(emitter, viewer.port, gap_s) for name, gap_s in GAPS.items()}
        finally:
            await asyncio.to_thread(emitter.close)


async def _delays(emitter: Emitter, port: int, gap_s: float) -> dict[str, float]:
    runs = [emitter.start_run(agent_id="bench") for _ in range(_RUNS)]
    await asyncio.to_thread(emitter.flush, 30)
    delays: list[float] = []
    tasks = [_follow(run, port, gap_s, gap_s * number / _RUNS, delays) for number, run in enumerate(runs)]
    await asyncio.gather(*tasks)
    percentiles = quantiles(delays, n=100)
    return {"events": len(delays), "p50_ms": percentiles[49], "p99_ms": percentiles[98]}


async def _follow(run: Any, port: int, gap_s: float, offset_s: float, delays: list[float]) -> None:
    """Publish the events of a run one after the other, and note how long each takes to the page."""
    await until(lambda: _is_stored(port, run.id), "the run is stored")
    messages = stream(port, f"/api/runs/{run.id}/events/stream?after=0")
    await asyncio.sleep(offset_s)
    for number in range(_EVENTS):
        await asyncio.sleep(gap_s)
        published = time.perf_counter()
        run.input("note", number)
        async for message in messages:
            if message.name == "lines" and any(line["summary"] == f"note: {number}" for line in message.data):
                break
        delays.append((time.perf_counter() - published) * 1000)
    await messages.aclose()


async def _is_stored(port: int, run_id: str) -> bool:
    return (await get(port, f"/api/runs/{run_id}")).status == 200
