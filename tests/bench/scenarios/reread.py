"""Measures `read_topic` on a topic of a million events, compared with bare loops of aiokafka that decode the same JSON.

`python -m tests.bench.scenarios.reread LOOP BOOTSTRAP_SERVERS TOPIC` runs one loop and prints its figures as JSON; each
runs in a process of its own, for its memory.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Coroutine
from statistics import median
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Console

from agent_runs.events import RunEvent
from agent_runs.replay import read_topic
from tests.bench import report
from tests.bench.processes import peak_memory_mib, run_json_module
from tests.bench.records import plan_records
from tests.bench.scenarios.growth import copied_messages
from tests.bench.servers import PARTITIONS, Servers, temporary_topic

_SEED: Final = 6
_TOPIC: Final = "reread"
_ROUNDS: Final = 3
_decode: Final = msgspec.json.Decoder(RunEvent).decode


async def read(servers: str, topic: str) -> int:
    """Read the topic with `read_topic`; return the number of events."""
    count = 0
    async for item in read_topic(topic, environ={"KAFKA_BOOTSTRAP_SERVERS": servers}):
        count += 1
        assert item.offset >= 0
    return count


async def read_one_by_one(servers: str, topic: str) -> int:
    """Read the topic with `async for record in consumer`, and decode each value with msgspec."""
    async with AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest") as consumer:
        left = await _assign_all(consumer, topic)
        total = left
        async for record in consumer:
            _decode(record.value)
            left -= 1
            if not left:
                break
    return total


async def read_many(servers: str, topic: str) -> int:
    """Read the topic with `getmany`, and decode each value with msgspec."""
    async with AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest") as consumer:
        total = await _assign_all(consumer, topic)
        count = 0
        while count < total:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                for record in records:
                    _decode(record.value)
                count += len(records)
    return count


async def _assign_all(consumer: AIOKafkaConsumer, topic: str) -> int:
    tps = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer.assign(tps)
    return int(sum((await consumer.end_offsets(tps)).values()))


_LOOPS: Final[dict[str, Callable[[str, str], Coroutine[Any, Any, int]]]] = {
    "async for": read_one_by_one,
    "getmany": read_many,
    "read_topic": read,
}


async def measure(servers: Servers, console: Console, *, full: bool) -> dict[str, Any]:
    """Return the figures of each loop in each round."""
    events = 1_000_000 if full else 300_000
    console.print(f"Publishing {events:,} events")
    async with temporary_topic(servers, _TOPIC, plan_records(copied_messages(events, _SEED), PARTITIONS)):
        rounds = []
        for number in range(_ROUNDS):
            rounds.append({loop: await _run(servers, loop) for loop in _LOOPS})
            rates = ", ".join(f"{loop} {figures['events_per_s']:,.0f}" for loop, figures in rounds[-1].items())
            console.print(f"  round {number + 1}: {rates} events/s")
    return {"events": events, "rounds": rounds}


async def _run(servers: Servers, loop: str) -> dict[str, float]:
    arguments = (loop, servers.bootstrap_servers, _TOPIC)
    return dict(await asyncio.to_thread(run_json_module, "tests.bench.scenarios.reread", arguments))


def to_table(figures: dict[str, Any]) -> str:
    """Format one row for each loop: medians over the rounds, and ratios within a round."""
    rounds = figures["rounds"]
    rows = []
    for loop in _LOOPS:
        rate, cpu_us, memory = (
            median(each[loop][key] for each in rounds) for key in ("events_per_s", "cpu_us", "memory_mib")
        )
        ratios = [median(each[bare]["cpu_us"] / each[loop]["cpu_us"] for each in rounds) for bare in _LOOPS][:2]
        rows.append((loop, f"{rate:,.0f}", f"{cpu_us:.1f}", *(f"{ratio:.2f}" for ratio in ratios), f"{memory:.0f}"))
    headings = ("events/s", "processor us", "ratio to async for", "ratio to getmany", "memory, MiB")
    return report.table((f"{figures['events']:,} events", *headings), rows)


def main() -> None:
    """Run one loop."""
    loop, servers, topic = sys.argv[1:]
    started, cpu_started = time.perf_counter(), time.process_time()
    count = asyncio.run(_LOOPS[loop](servers, topic))
    figures = {
        "events_per_s": count / (time.perf_counter() - started),
        "cpu_us": (time.process_time() - cpu_started) / count * 1e6,
        "memory_mib": peak_memory_mib(os.getpid()),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
