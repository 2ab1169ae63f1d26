"""Events go from the emitter through Kafka into the tables."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from threading import enumerate as enumerate_threads
from typing import Any

import psutil
import pytest
from opentelemetry import trace

from agent_runs import Emitter
from agent_runs.emitter.stats import Stats
from tests.checker import check, read_log, read_tables
from tests.checker.log import Log
from tests.support.foreign_producer import aiokafka_partition
from tests.support.ledgers.emitted import Ledger, in_log, in_tables
from tests.support.scene import Scene
from tests.support.servers import MakeTopic, Servers, create_topic, delete_topics
from tests.support.waiting import until

MakeEmitter = Callable[..., Emitter]
KB = 1000


@pytest.fixture
async def make_emitter(servers: Servers) -> AsyncIterator[MakeEmitter]:
    """Makes emitters. They are closed after the test; then no thread and no socket of theirs may be left."""
    sockets_before = sockets()
    made: list[Emitter] = []

    def make(topic: str, **options: Any) -> Emitter:
        made.append(Emitter(environ={}, bootstrap_servers=servers.bootstrap_servers, topic=topic, **options))
        return made[-1]

    yield make
    for emitter in made:
        emitter.close()
    await until(lambda: not emitter_threads(), "the emitter's thread has ended")
    await until(lambda: sockets() <= sockets_before, "the emitter's sockets are closed")


def emitter_threads() -> list[str]:
    return [thread.name for thread in enumerate_threads() if thread.name == "agent-runs-emitter"]


def sockets() -> int:
    return len(psutil.Process().net_connections("tcp"))


async def log_of(servers: Servers, topic: str) -> Log:
    return await asyncio.to_thread(read_log, servers.bootstrap_servers, topic)


async def flush(emitter: Emitter) -> int:
    return await asyncio.to_thread(emitter.flush, 60)


async def test_events_are_in_the_tables_once_and_in_the_order_of_the_calls(
    servers: Servers, make_topic: MakeTopic, database: str, make_emitter: MakeEmitter, tmp_path: Path
) -> None:
    # Given agents whose runs take turns to emit events of many types,
    topic = await make_topic(6)
    emitter, ledger = make_emitter(topic), Ledger()
    parents = [emitter.start_run(agent_id="planner", session_id=f"s{number}") for number in range(10)]
    runs = [*parents, *(parent.child(agent_id="worker") for parent in parents for _ in range(2))]
    for run in runs:
        ledger.emitted[run.id].append(str(run._chain.default_parent()))
    for step in range(20):
        for run in runs:
            ledger.emitted[run.id] += [
                run.input("message_from_user", {"text": "Grüße\0 \ud800 😀"}),
                run.context_assembled([step, None, {"nan": float("nan")}]),
                run.llm_called(model="m", system_prompt="s", user_prompt="u" * 4000, raw_response="{}"),
                run.tool_requested("ask_human", "?"),
                run.tool_failed("ask_human", "nobody there"),
            ]
    for number, run in enumerate(runs):
        ends = (run.run_completed, run.run_failed, run.run_waiting)
        ledger.emitted[run.id].append(ends[number % 3]("over"))
    # when they are consumed,
    assert await flush(emitter) == 0
    await Scene(servers, topic, database, tmp_path).run_until_end()
    # then every event is there once and in order, and the emitter's counts and the checker agree,
    tables = await read_tables(database)
    assert ledger.differences(in_tables(tables)) == []
    events = 30 * (1 + 100 + 1)
    assert emitter.stats() == Stats(emitted=events, sent=events, pending=0, dropped={}, recorded=0)
    assert len(tables.events) == events
    assert await check(servers.bootstrap_servers, topic, database) == []
    # and the runs have the status and the parent that their agents emitted.
    rows = {row.id: row for row in tables.runs}
    assert [rows[run.id].status for run in runs] == ["completed", "failed", "waiting"] * 10
    assert {rows[run.id].parent_run_id for run in runs[10:]} == {parent.id for parent in parents}
    assert tables.dead_letters == []


async def test_a_run_is_in_the_partition_that_other_clients_compute(
    servers: Servers, make_topic: MakeTopic, make_emitter: MakeEmitter
) -> None:
    topic = await make_topic(7)
    emitter = make_emitter(topic)
    for number in range(100):
        emitter.run(f"run-{number}").run_completed()
    await flush(emitter)

    records = (await log_of(servers, topic)).records
    assert len(records) == 100
    assert all(record.place.partition == aiokafka_partition(record.key or b"", 7) for record in records)


async def test_the_trace_is_sent_as_a_header(servers: Servers, topic: str, make_emitter: MakeEmitter) -> None:
    emitter = make_emitter(topic)
    span = trace.NonRecordingSpan(trace.SpanContext(10, 11, is_remote=False))
    with trace.use_span(span):
        emitter.run("r").run_waiting()
    emitter.run("r").run_completed()
    await flush(emitter)

    headers = [record.headers for record in (await log_of(servers, topic)).records]
    assert headers == [(("traceparent", b"00-0000000000000000000000000000000a-000000000000000b-00"),), ()]


async def test_a_record_that_is_too_large_for_the_topic_is_dropped_alone(
    servers: Servers, make_topic: MakeTopic, database: str, make_emitter: MakeEmitter, tmp_path: Path
) -> None:
    # Given a topic with a smaller limit than the emitter's,
    topic = await make_topic(configs={"max.message.bytes": str(100 * KB)})
    emitter, ledger = make_emitter(topic), Ledger()
    runs = [emitter.run(f"run-{number}") for number in range(3)]
    # when some of 180 events are too large, and share few batches with the others (compression halves hex),
    for number in range(60):
        for run in runs:
            too_large = number in (0, 17, 18, 59) and run is not runs[2]
            result = os.urandom(150 * KB if too_large else KB).hex()
            ledger.emitted[run.id].append(run.tool_succeeded("t", result))
    assert await flush(emitter) == 0
    # then exactly these events are missing, with markers in their places.
    logged = in_log(await log_of(servers, topic))
    assert ledger.differences(logged) == []
    assert logged.dropped_count == 8
    assert [len(logged.runs[run.id]) for run in runs] == [60, 60, 60]
    assert emitter.stats() == Stats(emitted=180, sent=172, pending=0, dropped={"too_large": 8}, recorded=8)
    await Scene(servers, topic, database, tmp_path).run_until_end()
    rows = {row.id: row.dropped_events for row in (await read_tables(database)).runs}
    assert rows == {"run-0": 4, "run-1": 4, "run-2": 0}


async def test_a_batch_that_is_too_large_for_the_topic_is_sent_in_parts(
    servers: Servers, make_topic: MakeTopic, make_emitter: MakeEmitter
) -> None:
    topic = await make_topic(configs={"max.message.bytes": str(60 * KB)})
    emitter, ledger = make_emitter(topic), Ledger()
    run = emitter.run("run")
    for _ in range(100):
        ledger.emitted["run"].append(run.tool_succeeded("t", os.urandom(20 * KB).hex()))
    assert await flush(emitter) == 0

    assert ledger.differences(in_log(await log_of(servers, topic))) == []
    assert emitter.stats() == Stats(emitted=100, sent=100, pending=0, dropped={}, recorded=0)


async def test_an_event_of_nearly_the_largest_size_is_sent_unchanged(
    servers: Servers, make_topic: MakeTopic, make_emitter: MakeEmitter
) -> None:
    topic = await make_topic(configs={"max.message.bytes": str(17 * 1024 * 1024)})
    emitter = make_emitter(topic)
    prompt = os.urandom(8 * 1024 * 1024 - 200).hex()
    emitter.run("r").llm_called(model="m", system_prompt="", user_prompt=prompt, raw_response="")
    emitter.run("r").run_completed()
    assert await flush(emitter) == 0

    first, _ = (await log_of(servers, topic)).records
    assert json.loads(first.value or b"")["user_prompt"] == prompt


async def test_events_wait_for_a_missing_topic(
    servers: Servers, make_emitter: MakeEmitter, caplog: pytest.LogCaptureFixture
) -> None:
    topic = f"late-{os.urandom(6).hex()}"
    emitter = make_emitter(topic)
    emitter.run("r").run_completed()
    remedy = f"topic '{topic}' does not exist: create it with `agent-runs-consumer create-topic`"
    await until(lambda: remedy in caplog.text, "the remedy is logged")

    await create_topic(servers.bootstrap_servers, topic, 1, {})
    try:
        assert await flush(emitter) == 0
        assert len((await log_of(servers, topic)).records) == 1
    finally:
        await delete_topics(servers.bootstrap_servers, [topic])


async def test_events_are_delivered_without_a_flush(servers: Servers, topic: str, make_emitter: MakeEmitter) -> None:
    emitter = make_emitter(topic)
    for number in range(3):  # the first event starts the thread, the others wake it
        emitter.run("r").input("t", number)
        await until(lambda: not emitter.stats().pending, "the event is sent")

    assert len((await log_of(servers, topic)).records) == 3


async def test_a_closed_emitter_counts_later_events_as_dropped(topic: str, make_emitter: MakeEmitter) -> None:
    async with make_emitter(topic) as emitter:
        run = emitter.run("r")
        run.run_waiting()
    run.run_completed()

    assert emitter.stats() == Stats(emitted=2, sent=1, pending=0, dropped={"closed": 1}, recorded=0)
