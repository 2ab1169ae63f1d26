"""Who is measured, each on fresh tables with the same rows to store."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import perf_counter, process_time
from typing import NamedTuple
from uuid import uuid4

from consumer.config import IngestConfig
from tests.bench.cpu import Ended, run_process, snapshot
from tests.bench.placement import Placed, streams
from tests.bench.tables import Committed, Tables, fresh_tables
from tests.bench.topic import EMPTY_TOPIC, TOPIC
from tests.servers import TemplateDatabase

CEILING = "ceiling"


class Stage(NamedTuple):
    """Servers with a full topic and a migrated template."""

    bootstrap_servers: str
    kafka_pid: int
    postgres_pid: int
    template: TemplateDatabase


class Result(NamedTuple):
    """What one contestant did in one round. Processor time is the whole program's, its start included.

    Attributes:
        others_share: of all cores' time, what went to processes that have no part in this.
    """

    events_per_s: float
    events_per_transaction: float
    wall_s: float
    client_cpu_s: float
    server_cpu_s: float
    others_share: float


Work = Callable[[Tables], Awaitable[Ended]]


class Contestant(NamedTuple):
    """A way to store the events, over so many connections."""

    name: str
    connections: int
    work: Work


def ceiling(placed: Sequence[Placed]) -> Contestant:
    """COPY of rows that are ready, in batches of the consumer's default size: nobody stores them faster from Python."""
    batches = streams(placed, IngestConfig().batch_records)
    run_ids = list({(record.key or b"").decode() for record in placed})

    async def work(tables: Tables) -> Ended:
        await tables.fetch("insert_runs", run_ids)
        began, cpu_began = perf_counter(), process_time()
        for pieces in batches:
            await tables.copy_batch(pieces)
        return Ended(perf_counter() - began, process_time() - cpu_began)

    return Contestant(CEILING, 1, work)


def consumer(stage: Stage, lanes: int) -> Contestant:
    """`python -m consumer run --until-end`, as a process of its own."""
    name = f"consumer, {lanes} {'lane' if lanes == 1 else 'lanes'}"

    async def work(tables: Tables) -> Ended:
        return await consume(stage, tables, {"AGENT_RUNS_LANES": str(lanes)})

    return Contestant(name, lanes, work)


async def idle(stage: Stage) -> Ended:
    """What the consumer takes to start and to stop, with nothing to do in between."""
    async with fresh_tables(stage.template) as tables:
        return await consume(stage, tables, {"AGENT_RUNS_TOPIC": EMPTY_TOPIC})


async def consume(stage: Stage, tables: Tables, settings: Mapping[str, str]) -> Ended:
    """Run the consumer to the end of the topic."""
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": stage.bootstrap_servers,
        "DATABASE_URL": tables.url,
        "AGENT_RUNS_TOPIC": TOPIC,
        "AGENT_RUNS_GROUP": f"bench-{uuid4().hex}",
        **settings,
    }
    return await asyncio.to_thread(run_process, [sys.executable, "-m", "consumer", "run", "--until-end"], environment)


async def measure(contestant: Contestant, stage: Stage, events: int) -> Result:
    """One contestant's turn.

    Raises:
        RuntimeError: it did not store every event.
    """
    async with fresh_tables(stage.template) as tables:
        before = snapshot(stage.kafka_pid, stage.postgres_pid)
        ended = await contestant.work(tables)
        used = before.until(snapshot(stage.kafka_pid, stage.postgres_pid))
        transactions = await tables.transactions()
    if (stored := sum(transaction.events for transaction in transactions)) != events:
        raise RuntimeError(f"{contestant.name} stored {stored} of {events} events")
    return Result(
        events_per_s=_rate(transactions, contestant.connections),
        events_per_transaction=events / len(transactions),
        wall_s=ended.wall_s,
        client_cpu_s=ended.cpu_s,
        server_cpu_s=used.postgres_s,
        others_share=used.others_share(ended.cpu_s),
    )


def _rate(transactions: Sequence[Committed], connections: int) -> float:
    """Events a second from commit to commit.

    The work for a connection's first commit began before any could be seen: the clock starts when each has had one.
    """
    first, *others = transactions[connections - 1 :]
    return sum(transaction.events for transaction in others) / (others[-1].at_s - first.at_s)
