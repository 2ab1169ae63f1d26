"""Every record of a foreign producer is stored exactly once, by a check that shares no code with the service.

A failing test prints its seed: `AGENT_RUNS_TEST_SEED=… pytest …` publishes the same records again.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.checker import compare, read_log
from tests.checker.log import Log
from tests.support.corpus import corpus
from tests.support.corpus.sample import with_fields
from tests.support.foreign_producer import aiokafka_partition, key_of_partition
from tests.support.messages import Message
from tests.support.scene import PARTITIONS, Scene
from tests.support.workloads.corpus_mix import workload


# Batches of one record would run the same code at 50 times the cost; batches of 13 end at every kind of record. One
# lane for three partitions: state of one partition must not be lost while another one is written.
@pytest.mark.parametrize(
    ("batch_records", "lanes"), [("4000", "2"), pytest.param("50", "3", marks=pytest.mark.slow), ("13", "1")]
)
async def test_every_record_of_a_foreign_producer_is_stored_exactly_once(
    scene: Scene, seed: int, batch_records: str, lanes: str
) -> None:
    # Given 10,000 records, three in a hundred of them hostile,
    receipts = await scene.publish(*workload(seed))
    # when the service has read them to the end,
    await scene.run_until_end(AGENT_RUNS_BATCH_RECORDS=batch_records, AGENT_RUNS_LANES=lanes)
    # then each is an event, a dead letter or a repeat, as the contract requires,
    await scene.assert_consistent()
    # and the sums of each partition agree.
    tables = await scene.tables()
    places = Counter([row.source_partition for row in tables.events] + [row.partition for row in tables.dead_letters])
    for row in tables.offsets:
        assert row.next_offset - row.first_offset == places[row.partition] + row.repeats
    assert sum(row.next_offset for row in tables.offsets) == len(receipts) == 10_000


async def test_the_rules_hold_in_every_snapshot_while_the_service_runs(scene: Scene, seed: int) -> None:
    # Given 10,000 records,
    await scene.publish(*workload(seed))
    log = read_log(scene.servers.bootstrap_servers, scene.topic)
    # when snapshots are taken while the service reads them, the first one in the middle,
    settings = {"AGENT_RUNS_BATCH_RECORDS": "50", "AGENT_RUNS_SESSION_TIMEOUT_S": "60"}
    consumer = scene.start("--until-end", fault="SIGSTOP after commit 20", **settings)
    await consumer.wait_until_frozen()
    assert 0 < await _consistent_records(scene, log) < len(log.records)
    consumer.resume()
    # then in each of them every record below the stored offsets is in its place, and no other record is stored.
    while consumer.alive:
        await _consistent_records(scene, log)
    assert await consumer.wait_for_exit() == 0, consumer.output
    assert await _consistent_records(scene, log) == len(log.records)


async def _consistent_records(scene: Scene, log: Log) -> int:
    """Require that a snapshot has no violation, and return how many records it has passed."""
    tables = await scene.tables()
    assert compare(log, tables, finished=False) == []
    return sum(row.next_offset for row in tables.offsets)


@pytest.mark.parametrize("batch_records", ["20", "1"])
async def test_a_log_of_only_rejected_records_is_consumed_to_its_end(scene: Scene, batch_records: str) -> None:
    # Given only records that are rejected, so that no batch contains an event,
    rejected = [sample for sample in corpus() if sample.reason is not None]
    await scene.publish(*(sample.message(b"run", f"event-{number}") for number, sample in enumerate(rejected)))
    # when the service has read them,
    await scene.run_until_end(AGENT_RUNS_BATCH_RECORDS=batch_records)
    # then each is a dead letter with its reason, and there is no run.
    await scene.assert_consistent()
    tables = await scene.tables()
    assert Counter(row.reason for row in tables.dead_letters) == Counter(sample.reason for sample in rejected)
    assert tables.runs == []


async def test_repeats_in_one_partition_are_recognised_in_a_lane_with_a_partition_without_repeats(scene: Scene) -> None:
    # Given a backlog of several batches in two partitions, one of which contains every event twice,
    repeating, plain = (key_of_partition(number, PARTITIONS) for number in (0, 1))
    events = [Message(repeating, with_fields()(f"event-{number}")) for number in range(500)]
    await scene.publish(*(message for event in events for message in (event, event)))
    await scene.publish(*(Message(plain, with_fields()(f"event-{number}")) for number in range(1_000)))
    # when they share a lane,
    await scene.run_until_end(AGENT_RUNS_BATCH_RECORDS="20", AGENT_RUNS_LANES="1")
    # then batches without repeats do not reset how the lane handles batches with repeats.
    await scene.assert_consistent()
    assert sum(row.repeats for row in (await scene.tables()).offsets) == 500


async def test_a_foreign_producer_puts_a_run_into_the_same_partition_as_our_emitter(scene: Scene, seed: int) -> None:
    # Given what librdkafka published, when the partitions are computed as aiokafka and Java do,
    receipts = await scene.publish(*workload(seed))
    moved = {
        receipt.message.key
        for receipt in receipts
        if receipt.message.key and receipt.partition != aiokafka_partition(receipt.message.key, PARTITIONS)
    }
    # then they are the same: two producers of one run do not split it over partitions.
    assert moved == set()
