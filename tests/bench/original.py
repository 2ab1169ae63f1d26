"""`python -m tests.bench.original TOPIC EVENTS`: the design that this one replaces, translated word for word.

A message at a time: ask for the highest number of the run, insert the event, set the status, commit, tell Kafka.
"""

import asyncio
import os
import sys
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer

from tests.bench.programs import run_process
from tests.bench.stage import Load, Stage
from tests.bench.tables import QUERIES, Tables, queries
from tests.bench.turns import Contestant

_WAITING: Final = ("ask_human", "spawn_agent")
_DONE: Final = ("respond_to_user", "done")


def original(stage: Stage, load: Load, events: int) -> Contestant:
    """The original design, as far as so many events: it would take an hour for all."""

    async def work(tables: Tables) -> None:
        environment = {"KAFKA_BOOTSTRAP_SERVERS": stage.bootstrap_servers, "DATABASE_URL": tables.url}
        command = [sys.executable, "-m", "tests.bench.original", load.topic, str(events)]
        await asyncio.to_thread(run_process, command, environment)

    return Contestant("original design", work, events)


async def consume(topic: str, events: int) -> None:
    """Store so many events."""
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
        facts = (event["id"], event.get("parent_event_id"), event["type"], record.value.decode())
        place = (at, record.partition, record.offset)
        await connection.execute(sql["original_insert_event"], run_id, event_seq, *facts, *place)
        await connection.execute(sql["original_set_status"], run_id, _status(event), at)


def _status(event: dict[str, Any]) -> str:
    """The last event decides."""
    tool = event.get("tool_name")
    if event["type"] == "tool_requested" and tool in _WAITING:
        return "waiting"
    return "completed" if event["type"] == "run_completed" or tool in _DONE else "running"


if __name__ == "__main__":
    asyncio.run(consume(sys.argv[1], int(sys.argv[2])))
