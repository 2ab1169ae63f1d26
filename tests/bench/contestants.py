"""The consumer, and the ceiling that the same tables allow."""

import asyncio
import sys
from collections.abc import Sequence
from uuid import uuid4

from consumer.config import IngestConfig
from tests.bench.placement import streams
from tests.bench.programs import Ended, run_process
from tests.bench.stage import Load, Stage
from tests.bench.tables import Tables
from tests.bench.turns import Contestant

CEILING = "ceiling"


def ceiling(load: Load, connections: int = 1) -> Contestant:
    """COPY of rows that are ready, in batches of the consumer's default size: nobody stores them faster from Python.

    Each connection has partitions of its own, as a lane has.
    """
    ingest = IngestConfig()
    shares = [
        streams(own, ingest.batch_records, ingest.batch_bytes)
        for own in ([r for r in load.placed if r.partition % connections == number] for number in range(connections))
    ]
    run_ids = list({(record.key or b"").decode() for record in load.placed})

    async def work(tables: Tables) -> None:
        await tables.fetch("insert_runs", run_ids)
        await asyncio.gather(*(tables.copy(share) for share in shares))

    name = CEILING if connections == 1 else f"{CEILING}, {connections} connections"
    return Contestant(name, work, len(load.placed))


def consumer(stage: Stage, load: Load, lanes: int, processes: int = 1) -> Contestant:
    """`python -m consumer run --until-end`, each as a process of its own."""
    of_processes = f"{processes} processes, " if processes > 1 else ""
    of_lanes = f"{lanes} {'lane' if lanes == 1 else 'lanes'}"

    async def work(tables: Tables) -> None:
        await consume(stage, tables, load.topic, lanes, processes)

    return Contestant(f"consumer, {of_processes}{of_lanes}", work, len(load.placed))


async def consume(
    stage: Stage, tables: Tables, topic: str, lanes: int | None = None, processes: int = 1
) -> Sequence[Ended]:
    """Run the consumer to the end of a topic."""
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": stage.bootstrap_servers,
        "DATABASE_URL": tables.url,
        "AGENT_RUNS_TOPIC": topic,
        "AGENT_RUNS_GROUP": f"bench-{uuid4().hex}",
        **({} if lanes is None else {"AGENT_RUNS_LANES": str(lanes)}),
    }
    command = [sys.executable, "-m", "consumer", "run", "--until-end"]
    return await asyncio.gather(*(asyncio.to_thread(run_process, command, environment) for _ in range(processes)))
