"""Loads of unusual shape: one run with all events, a run for each event, parents in any order, large records."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from time import monotonic

import pytest

from tests.support.foreign_producer import foreign_producer, key_of_partition, publish
from tests.support.messages import Message, event
from tests.support.scene import PARTITIONS, Scene
from tests.support.servers import MakeTopic
from tests.support.servers.clients import fetch_value

MIB = 1024 * 1024
LIMIT = 16 * MIB
LARGEST = 50_000_000
EMPTY = len(event("of-123456789", data=""))
PRODUCTION = {"AGENT_RUNS_BATCH_RECORDS": "4000"}
HOT_EVENTS = int(os.environ.get("AGENT_RUNS_TEST_HOT_EVENTS") or 2_000_000)
TINY_RUNS = int(os.environ.get("AGENT_RUNS_TEST_TINY_RUNS") or 1_000_000)
# The runs whose row and events disagree on the number of events, or whose numbers have a gap.
GAPS = """
    SELECT count(*) FROM agent_runs AS r FULL JOIN (
        SELECT run_id, count(*) AS events, min(event_seq) AS first, max(event_seq) AS last
          FROM run_events
         GROUP BY run_id
    ) AS e ON e.run_id = r.id
     WHERE (e.events, 0, e.events - 1) IS DISTINCT FROM (r.event_count::bigint, e.first, e.last::bigint)
"""
LENGTHS = "SELECT array_agg(coalesce(length(event_data ->> 'data'), 0) ORDER BY event_seq) FROM run_events"
PARENTS = "SELECT string_agg(id || '<' || coalesce(parent_run_id, ''), ' ' ORDER BY id) FROM agent_runs"


async def test_a_large_run_and_many_runs_of_one_event_have_no_gaps(scene: Scene, rng: Random) -> None:
    # Given one run with half of all events, and a run for each of the others, in any order,
    messages = [*_one_run(3_000), *_runs_of_one_event(3_000)]
    rng.shuffle(messages)
    await scene.publish(*messages)
    # when two consumers share the partitions, then the events of every run are numbered without a gap.
    for _ in range(2):
        scene.start(**PRODUCTION)
    await scene.wait_until_drained()
    await scene.assert_consistent()
    assert await fetch_value(scene.database, GAPS) == 0


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("shape", ["hot", "tiny"])
async def test_millions_of_events_in_one_run_or_in_as_many_runs_have_no_gaps(scene: Scene, shape: str) -> None:
    # Given millions of events,
    events = HOT_EVENTS if shape == "hot" else TINY_RUNS
    messages = _one_run(events) if shape == "hot" else _runs_of_one_event(events)
    await asyncio.to_thread(publish, foreign_producer(scene.servers.bootstrap_servers), scene.topic, messages)
    # when they are consumed,
    consumer, began = scene.start(**PRODUCTION), monotonic()
    await scene.wait_until_drained(3600)
    print(f"{events} events at {events / (monotonic() - began):.0f} a second, in {consumer.peak_mib:.0f} MiB")
    # then all are stored, no run has a gap, and the consumer needs as much memory as for a thousand.
    assert await fetch_value(scene.database, "SELECT count(*) FROM run_events") == events
    assert await fetch_value(scene.database, GAPS) == 0
    assert not (await fetch_value(scene.database, "SELECT count(*) FROM dead_letters"))
    assert consumer.peak_mib < 300
    await consumer.terminate()


async def test_parents_that_are_late_missing_in_another_partition_or_circular_block_no_run(scene: Scene) -> None:
    # Given runs whose parent comes later, is missing, is in another partition, names them as its parent, or is the run
    # itself,
    here, there = (key_of_partition(partition, PARTITIONS).decode() for partition in (0, 1))
    runs = {here: there, there: here, "child": "late", "orphan": "never", "self": "self", "late": None}
    await scene.publish(*(_started(run_id, parent) for run_id, parent in runs.items()))
    # and events whose parent is their successor, the event itself, or missing,
    parents = {"one": "two", "two": "one", "three": "three", "four": "never"}
    await scene.publish(*(Message(b"late", event(name, parent_event_id=parent)) for name, parent in parents.items()))
    # when two consumers store them one a transaction, then all are stored,
    for _ in range(2):
        scene.start(AGENT_RUNS_BATCH_RECORDS="1")
    await scene.wait_until_drained()
    await scene.assert_consistent(dead_letters=False)
    # and the missing parent has a row.
    named = " ".join(sorted(f"{run_id}<{parent or ''}" for run_id, parent in {**runs, "never": None}.items()))
    assert await fetch_value(scene.database, PARENTS) == named


async def test_records_at_and_above_the_limit_need_bounded_memory_and_cause_no_rebalance(
    scene: Scene, make_topic: MakeTopic
) -> None:
    # Given a topic that accepts larger records than the service, with 1, 10 and 16 MiB, one byte more, and 50 MB,
    scene = replace(scene, topic=await make_topic(1, {"max.message.bytes": str(64 * MIB)}))
    await scene.publish(Message(b"run", event("before")))
    # and a consumer that decompresses all of them: by default it halts at a batch that expands to more than 32 MiB,
    limit = {"AGENT_RUNS_MAX_DECOMPRESSED_BYTES": str(64 * MIB)}
    consumer = scene.start(**PRODUCTION, **limit, AGENT_RUNS_SESSION_TIMEOUT_S="20")
    await scene.wait_until_drained()
    before = consumer.peak_mib
    fitting, too_large = (
        [_of_size(size) for size in sizes] for sizes in ((MIB, 10 * MIB, LIMIT), (LIMIT + 1, LARGEST))
    )
    await scene.publish(*fitting, *too_large, Message(b"run", event("behind")))
    # when they are consumed,
    await scene.wait_until_drained()
    # then those within the limit are stored, and the others are dead letters, byte for byte.
    lengths = await fetch_value(scene.database, LENGTHS)
    assert lengths == [0, *(len(message.value or b"") - EMPTY for message in fitting), 0]
    assert [letter.value for letter in (await scene.tables()).dead_letters] == [message.value for message in too_large]
    # And the consumer has stayed in the group, with a few times the largest record in memory.
    assert consumer.count("assigned") == 1
    print(f"grown by {consumer.peak_mib - before:.0f} MiB")
    assert consumer.peak_mib < before + 10 * LARGEST / MIB


def _one_run(events: int) -> Iterator[Message]:
    return (Message(b"hot", event(f"event-{number}")) for number in range(events))


def _runs_of_one_event(runs: int) -> Iterator[Message]:
    return (Message(f"run-{number}".encode(), event("only")) for number in range(runs))


def _started(run_id: str, parent: str | None) -> Message:
    return Message(run_id.encode(), event(f"start of {run_id}", "run_started", parent_run_id=parent))


def _of_size(size: int) -> Message:
    return Message(b"run", event(f"of-{size:09}", data="x" * (size - EMPTY)))
