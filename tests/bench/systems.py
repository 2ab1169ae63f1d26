"""The consumer, and the ceiling, which is the fastest way to fill the same tables."""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from uuid import uuid4

from consumer.postgres.copy_format import encode_events
from consumer.settings import IngestConfig
from tests.bench.database import Database
from tests.bench.measurement import CEILING, System
from tests.bench.processes import ProcessUsage, run_process
from tests.bench.records import PlannedRecord, numbered_event
from tests.bench.servers import Dataset, Servers


def ceiling(dataset: Dataset, connections: int = 1) -> System:
    """Return a system that copies prepared rows with COPY, in batches of the consumer's default size.

    Each connection stores the rows of its own partitions, as a lane does.
    """
    ingest = IngestConfig()
    shares = [
        _copy_streams(share, ingest.batch_records, ingest.batch_bytes)
        for share in (
            [record for record in dataset.records if record.partition % connections == number]
            for number in range(connections)
        )
    ]
    run_ids = list({(record.key or b"").decode() for record in dataset.records})

    async def run(database: Database) -> None:
        await database.fetch("insert_runs", run_ids)
        await asyncio.gather(*(database.copy(share) for share in shares))

    name = CEILING if connections == 1 else f"{CEILING}, {connections} connections"
    return System(name, run, len(dataset.records))


def _copy_streams(records: Sequence[PlannedRecord], batch_records: int, batch_bytes: int) -> list[list[bytes]]:
    """Return the binary COPY stream of each batch, in chunks, with the consumer's rows except for `created_at`."""
    counts: Counter[str] = Counter()
    batches = _batches(records, batch_records, batch_bytes)
    return [list(encode_events([numbered_event(record, counts) for record in batch])) for batch in batches]


def _batches(
    records: Sequence[PlannedRecord], batch_records: int, batch_bytes: int
) -> Iterator[Sequence[PlannedRecord]]:
    start = size = 0
    for index, record in enumerate(records):
        size += len(record.value or b"")
        if size >= batch_bytes or index + 1 - start == batch_records:
            yield records[start : index + 1]
            start, size = index + 1, 0
    if start < len(records):
        yield records[start:]


def consumer(servers: Servers, dataset: Dataset, lanes: int, processes: int = 1) -> System:
    """Return a system that runs `python -m consumer run --until-end` in one or more processes."""
    processes_part = f"{processes} processes, " if processes > 1 else ""
    lanes_part = f"{lanes} {'lane' if lanes == 1 else 'lanes'}"

    async def run(database: Database) -> None:
        await run_consumer(servers, database, dataset.topic, lanes, processes)

    return System(f"consumer, {processes_part}{lanes_part}", run, len(dataset.records))


async def run_consumer(
    servers: Servers, database: Database, topic: str, lanes: int | None = None, processes: int = 1
) -> Sequence[ProcessUsage]:
    """Run the consumer until the end of a topic, in a new consumer group; return the usage of each process.

    Args:
        lanes: None leaves the setting to the environment.
    """
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": servers.bootstrap_servers,
        "DATABASE_URL": database.url,
        "AGENT_RUNS_TOPIC": topic,
        "AGENT_RUNS_GROUP": f"bench-{uuid4().hex}",
        **({} if lanes is None else {"AGENT_RUNS_LANES": str(lanes)}),
    }
    command = [sys.executable, "-m", "consumer", "run", "--until-end"]
    return await asyncio.gather(*(asyncio.to_thread(run_process, command, environment) for _ in range(processes)))
