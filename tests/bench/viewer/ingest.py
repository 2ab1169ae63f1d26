"""Measures whether 200 pages that follow 20 runs slow down the consumer, at 1,000 events/s."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import mean, median
from threading import Thread
from typing import Any, Final
from uuid import uuid4

import psutil
from confluent_kafka import Producer

from tests.bench import report
from tests.bench.database import Database, Transaction, fresh_database
from tests.bench.scenarios.latency import all_claimed, running_consumer
from tests.bench.servers import Servers, temporary_topic
from tests.bench.viewer.process import running_viewer
from tests.bench.workload import Message, one_run
from tests.support.paths import CHECKOUT
from tests.support.waiting import until

_RATE: Final = 1000  # events/s
_SECONDS: Final = 20
_RUNS: Final = 20
_WATCHERS: Final = 200
_ROUNDS: Final = 3


class _Publisher(Thread):
    """Publishes the events at a steady rate."""

    def __init__(self, servers: Servers, topic: str, messages: Sequence[Message]) -> None:
        super().__init__(name="publisher")
        options = {"bootstrap.servers": servers.bootstrap_servers, "acks": "all", "partitioner": "murmur2_random"}
        self._producer = Producer(options)
        self._topic = topic
        self._messages = messages
        self.sent_at_s: list[float] = []

    def run(self) -> None:
        start = time.time()
        for number, message in enumerate(self._messages):
            while (ahead_s := start + number / _RATE - time.time()) > 0:
                self._producer.poll(0)
                time.sleep(ahead_s)
            self.sent_at_s.append(time.time())
            self._producer.produce(self._topic, message.value, message.run_id)
        self._producer.flush(60)


async def measure(servers: Servers) -> list[dict[str, dict[str, float]]]:
    """Return the figures without and with watchers, for each round."""
    rounds = []
    for number in range(_ROUNDS):
        order = (0, _WATCHERS) if number % 2 == 0 else (_WATCHERS, 0)
        found = {f"{watchers} watchers": await _measure(servers, watchers) for watchers in order}
        rounds.append(dict(sorted(found.items())))
    return rounds


async def _measure(servers: Servers, watchers: int) -> dict[str, float]:
    topic = f"viewer-{uuid4().hex}"
    messages = _messages()
    runs = sorted({message.run_id for message in messages})
    async with AsyncExitStack() as opened:
        await opened.enter_async_context(temporary_topic(servers, topic, ()))
        database = await opened.enter_async_context(fresh_database(servers.template))
        kafka = {"KAFKA_BOOTSTRAP_SERVERS": servers.bootstrap_servers, "AGENT_RUNS_TOPIC": topic}
        consumer = {**kafka, "DATABASE_URL": database.url, "AGENT_RUNS_GROUP": topic}
        process = await opened.enter_async_context(running_consumer(consumer))
        await until(lambda: all_claimed(database), "all partitions are claimed")
        viewer = await opened.enter_async_context(running_viewer(database.url))
        # The first event of each run, so that the run exists, is not measured.
        await _publish(_Publisher(servers, topic, messages[:_RUNS]), database, _RUNS)
        if watchers:
            await opened.enter_async_context(_watching(viewer.port, watchers, runs))
        before = _cpu_s(process), _cpu_s(viewer.pid), _cpu_s(servers.postgres_pid)
        publisher = _Publisher(servers, topic, messages[_RUNS:])
        await _publish(publisher, database, len(messages))
        after = _cpu_s(process), _cpu_s(viewer.pid), _cpu_s(servers.postgres_pid)
        delays = _delays_ms(publisher.sent_at_s, await database.transactions("run_events"))
        p99_ms = sorted(delays)[len(delays) * 99 // 100]
        used_us = [(end - begin) / len(publisher.sent_at_s) * 1e6 for begin, end in zip(before, after, strict=True)]
        return {
            "events_per_s": len(publisher.sent_at_s) / (time.time() - publisher.sent_at_s[0]),
            "delay_ms": mean(delays),
            "p50_ms": median(delays),
            "p99_ms": p99_ms,
            **dict(zip(("consumer_us", "viewer_us", "postgres_us"), used_us, strict=True)),
        }


def _cpu_s(pid: int) -> float:
    """Return the processor time that a process and its children have used; those that have ended are not counted."""
    process = psutil.Process(pid)
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def _messages() -> list[Message]:
    """The events of the runs, in turns."""
    of_runs = [one_run(seed, _RATE * _SECONDS // _RUNS) for seed in range(_RUNS)]
    return [message for turn in zip(*of_runs, strict=True) for message in turn]


async def _publish(publisher: _Publisher, database: Database, total: int) -> None:
    """Publish, and wait until so many events are stored."""
    publisher.start()
    await asyncio.to_thread(publisher.join)

    async def are_stored() -> bool:
        [(stored, _)] = await database.fetch("stored_and_repeated")
        return bool(stored >= total)

    await until(are_stored, "all events are stored")


def _delays_ms(sent_at_s: Sequence[float], transactions: Sequence[Transaction]) -> list[float]:
    """Return the time from publish to commit of each event: the nth event that was stored is the nth one sent."""
    stored_at = [transaction.committed_at_s for transaction in transactions for _ in range(transaction.events)]
    return [(stored - sent) * 1000 for sent, stored in zip(sent_at_s, stored_at[-len(sent_at_s) :], strict=True)]


@asynccontextmanager
async def _watching(port: int, count: int, runs: Sequence[str]) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.viewer.watch", str(port), str(count), *runs),
        cwd=CHECKOUT,
        env=dict(os.environ),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        yield
    finally:
        process.stdin.close()
        await process.wait()


def to_table(rounds: Sequence[dict[str, dict[str, Any]]]) -> str:
    """Format a row for each number of watchers: the medians of the rounds."""
    keys = ("events_per_s", "delay_ms", "p50_ms", "p99_ms", "consumer_us", "postgres_us", "viewer_us")
    rows = [(name, *(f"{median(each[name][key] for each in rounds):.2f}" for key in keys)) for name in rounds[0]]
    headings = (
        "",
        "events/s",
        "delay, ms",
        "p50, ms",
        "p99, ms",
        "consumer us/event",
        "PostgreSQL us/event",
        "viewer us/event",
    )
    return report.table(headings, rows)
