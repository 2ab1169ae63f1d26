"""`python -m tests.bench.original TOPIC EVENTS`: the original design of the consumer, translated literally to Python.

For each message, it reads the highest number of the run, inserts the event, updates the status, and commits. Kafka's
offsets are committed automatically.
"""

import asyncio
import os
import sys
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer

from tests.bench.database import QUERIES, Database, queries
from tests.bench.measurement import System
from tests.bench.processes import run_process
from tests.bench.servers import Dataset, Servers

_WAITING_TOOLS: Final = ("ask_human", "spawn_agent")
_FINAL_TOOLS: Final = ("respond_to_user", "done")


def original(servers: Servers, dataset: Dataset, events: int) -> System:
    """Return a system that stores the first `events` of the dataset; all would take minutes in each round."""

    async def run(database: Database) -> None:
        environment = {"KAFKA_BOOTSTRAP_SERVERS": servers.bootstrap_servers, "DATABASE_URL": database.url}
        command = [sys.executable, "-m", "tests.bench.original", dataset.topic, str(events)]
        await asyncio.to_thread(run_process, command, environment)

    return System("original design", run, events)


async def consume(topic: str, events: int) -> None:
    """Store the first `events` of a topic."""
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        group_id="original",
        auto_offset_reset="earliest",
        enable_auto_commit=True,
    )
    await consumer.start()
    try:
        for _ in range(events):
            await _store(connection, await consumer.getone())
    finally:
        await consumer.stop()
        await connection.close()


async def _store(connection: "asyncpg.Connection[asyncpg.Record]", record: Any) -> None:
    event = msgspec.json.decode(record.value)
    run_id, sql = record.key.decode(), queries(QUERIES)
    at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    async with connection.transaction():
        await connection.execute(sql["original_insert_run"], run_id, event.get("agent_id", "unknown"), at)
        event_seq = await connection.fetchval(sql["original_next_seq"], run_id)
        fields = (event["id"], event.get("parent_event_id"), event["type"], record.value.decode())
        source = (at, record.partition, record.offset)
        await connection.execute(sql["original_insert_event"], run_id, event_seq, *fields, *source)
        await connection.execute(sql["original_set_status"], run_id, _status(event), at)


def _status(event: dict[str, Any]) -> str:
    """Return the run's status after this event."""
    tool = event.get("tool_name")
    if event["type"] == "tool_requested" and tool in _WAITING_TOOLS:
        return "waiting"
    return "completed" if event["type"] == "run_completed" or tool in _FINAL_TOOLS else "running"


if __name__ == "__main__":
    asyncio.run(consume(sys.argv[1], int(sys.argv[2])))
