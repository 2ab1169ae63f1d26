"""Loads of unusual shape: one run with all events, a run for each event, parents in any order, large records."""

import asyncio
import os
from collections.abc import Iterator
from random import Random
from time import monotonic

import pytest

from tests.faults.conftest import PARTITIONS
from tests.support.corpus import Message
from tests.support.foreign_producer import foreign_producer, key_of_partition, publish
from tests.support.messages import event
from tests.support.scene import Scene
from tests.support.servers import MakeTopic, Servers
from tests.support.servers.clients import fetch_value

MIB = 1024 * 1024
LIMIT = 16 * MIB
LARGEST = 50_000_000
EMPTY = len(event("of-123456789", data=""))
IN_PRODUCTION = {"AGENT_RUNS_BATCH_RECORDS": "4000"}
HOT_EVENTS = int(os.environ.get("AGENT_RUNS_TEST_HOT_EVENTS") or 2_000_000)
TINY_RUNS = int(os.environ.get("AGENT_RUNS_TEST_TINY_RUNS") or 1_000_000)
# Of what every run of the database says of itself, what its events do not say.
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


async def test_a_hot_run_and_runs_of_one_event_beside_it_are_without_gaps(scene: Scene, rng: Random) -> None:
    # Given one run with half of all events, and a run of its own for each of the others, in any order,
    messages = [*_hot(3_000), *_tiny(3_000)]
    rng.shuffle(messages)
    scene.publish(messages)
    # when they are consumed, by two who share the partitions, then every run has its numbers without a gap.
    for _ in range(2):
        scene.start(**IN_PRODUCTION)
    await scene.drained()
    await scene.assert_in_order()
    assert await fetch_value(scene.database, GAPS) == 0


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("shape", ["hot", "tiny"])
async def test_millions_of_events_of_one_run_or_of_as_many_runs_are_without_gaps(scene: Scene, shape: str) -> None:
    # Given millions of events,
    events = HOT_EVENTS if shape == "hot" else TINY_RUNS
    producer = foreign_producer(scene.servers.bootstrap_servers)
    await asyncio.to_thread(publish, producer, scene.topic, _hot(events) if shape == "hot" else _tiny(events))
    # when they are consumed,
    consumer, began = scene.start(**IN_PRODUCTION), monotonic()
    await scene.drained(3600)
    print(f"{events} events at {events / (monotonic() - began):.0f} a second, in {consumer.peak_mib:.0f} MiB")
    # then all are there, no run has a gap, and the consumer's memory is what it is for a thousand.
    assert await fetch_value(scene.database, "SELECT count(*) FROM run_events") == events
    assert await fetch_value(scene.database, GAPS) == 0
    assert not (await fetch_value(scene.database, "SELECT count(*) FROM dead_letters"))
    assert consumer.peak_mib < 300
    await consumer.terminated()


async def test_parents_that_come_late_never_from_another_partition_or_in_a_circle_hold_nobody_up(scene: Scene) -> None:
    # Given runs that name as their parent one that comes later, never, is in another partition, each other, or itself,
    here, there = (key_of_partition(partition, PARTITIONS).decode() for partition in (0, 1))
    runs = {here: there, there: here, "child": "late", "orphan": "never", "self": "self", "late": None}
    scene.publish(_started(run_id, parent) for run_id, parent in runs.items())
    # and events whose parent is their successor, themselves, or nobody,
    parents = {"one": "two", "two": "one", "three": "three", "four": "never"}
    scene.publish(Message(b"late", event(name, parent_event_id=parent)) for name, parent in parents.items())
    # when they are consumed one a transaction, from both ends at once, then all are stored,
    for _ in range(2):
        scene.start(AGENT_RUNS_BATCH_RECORDS="1")
    await scene.drained()
    await scene.assert_in_order()
    assert not (await scene.tables()).dead_letters
    # and a run that never came has a row to be named by.
    named = " ".join(sorted(f"{run_id}<{parent or ''}" for run_id, parent in {**runs, "never": None}.items()))
    assert await fetch_value(scene.database, PARENTS) == named


async def test_records_at_and_above_the_limit_cost_bounded_memory_and_no_membership(
    scene: Scene, make_topic: MakeTopic, servers: Servers
) -> None:
    # Given a topic that takes more than the service does, with records of 1, 10 and 16 MiB, one byte more, and 50 MB,
    topic = await make_topic(1, {"max.message.bytes": str(64 * MIB)})
    scene = Scene(servers, topic, scene.database, scene.directory, scene.consumers)
    scene.publish([Message(b"run", event("before"))])
    consumer = scene.start(**IN_PRODUCTION, AGENT_RUNS_SESSION_TIMEOUT_S="20")
    await scene.drained()
    before = consumer.peak_mib
    fitting, too_large = (
        [_of_size(size) for size in sizes] for sizes in ((MIB, 10 * MIB, LIMIT), (LIMIT + 1, LARGEST))
    )
    scene.publish([*fitting, *too_large, Message(b"run", event("behind"))])
    # when they are consumed,
    await scene.drained()
    # then what fits is stored, and what doesn't is in a letter, byte for byte.
    lengths = await fetch_value(scene.database, LENGTHS)
    assert lengths == [0, *(len(message.value or b"") - EMPTY for message in fitting), 0]
    assert [letter.value for letter in (await scene.tables()).dead_letters] == [message.value for message in too_large]
    # And the consumer has stayed in the group, with a few times the largest record in memory.
    assert consumer.output.count("Partitions assigned") == 1
    print(f"grown by {consumer.peak_mib - before:.0f} MiB")
    assert consumer.peak_mib < before + 10 * LARGEST / MIB


def _hot(events: int) -> Iterator[Message]:
    return (Message(b"hot", event(f"event-{number}")) for number in range(events))


def _tiny(runs: int) -> Iterator[Message]:
    return (Message(f"run-{number}".encode(), event("only")) for number in range(runs))


def _started(run_id: str, parent: str | None) -> Message:
    return Message(run_id.encode(), event(f"start of {run_id}", "run_started", parent_run_id=parent))


def _of_size(size: int) -> Message:
    return Message(b"run", event(f"of-{size:09}", data="x" * (size - EMPTY)))
