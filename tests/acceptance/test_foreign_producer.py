"""What others publish, well-meant or not, ends in exactly one place, by a check that shares no code with the service.

The seed of a failure is in its output: `AGENT_RUNS_TEST_SEED=… pytest …` publishes the same again.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tests.checker import compare, read_log
from tests.support.corpus import Message, corpus
from tests.support.corpus.specimen import changed
from tests.support.foreign_producer import aiokafka_partition, foreign_producer, key_of_partition, publish
from tests.support.road import Road
from tests.support.workloads.corpus_mix import workload


# One record a transaction would be the same code at 50 times the cost: batches of 7 put their borders everywhere. One
# lane for three partitions: what one of them needs must not be forgotten while another is written.
@pytest.mark.parametrize(("batch_records", "lanes"), [("4000", "2"), ("50", "3"), ("7", "1")])
async def test_every_record_of_a_foreign_producer_is_in_exactly_one_place(
    road: Road, seed: int, batch_records: str, lanes: str
) -> None:
    # Given 10,000 records, three in a hundred of them hostile,
    receipts = road.publish(workload(seed))
    # when the service has read them to the end,
    await road.consume(AGENT_RUNS_BATCH_RECORDS=batch_records, AGENT_RUNS_LANES=lanes)
    # then each is an event, a dead letter or a repeat, as the contract says,
    await road.assert_in_order()
    # and the sums of each partition say so too.
    tables = await road.tables()
    places = Counter([row.source_partition for row in tables.events] + [row.partition for row in tables.dead_letters])
    for row in tables.offsets:
        assert row.next_offset - row.first_offset == places[row.partition] + row.repeats
    assert sum(row.next_offset for row in tables.offsets) == len(receipts) == 10_000


async def test_the_rules_hold_at_every_moment_while_the_service_runs(road: Road, seed: int) -> None:
    # Given 10,000 records,
    road.publish(workload(seed))
    log = read_log(road.servers.bootstrap_servers, road.topic)
    # when snapshots are taken while the service reads them,
    running = asyncio.create_task(road.consume(AGENT_RUNS_BATCH_RECORDS="50"))
    progress = []
    while not running.done():
        tables = await road.tables()
        progress.append(sum(row.next_offset for row in tables.offsets))
        # then what lies below the stored offsets is in its place in each of them, and nothing else is there;
        assert compare(log, tables, finished=False) == []
    await running
    # and some of them were taken in the midst of it.
    assert any(0 < passed < len(log.records) for passed in progress)


async def test_consuming_again_when_nothing_is_new_changes_nothing(road: Road, seed: int) -> None:
    # Given a log that has been consumed,
    road.publish(workload(seed))
    await road.consume()
    before = await road.tables()
    # when the service starts once more,
    await road.consume()
    # then the tables are what they were.
    assert await road.tables() == before


async def test_a_log_of_nothing_but_poison_is_consumed_to_its_end(road: Road) -> None:
    # Given only records that are refused, so that no batch has an event in it,
    refused = [specimen for specimen in corpus() if specimen.reason is not None]
    road.publish(specimen.message(b"run", f"event-{number}") for number, specimen in enumerate(refused))
    # when the service has read them,
    await road.consume(AGENT_RUNS_BATCH_RECORDS="20")
    # then all are dead letters, each for its reason, and no run came of them.
    await road.assert_in_order()
    tables = await road.tables()
    assert Counter(row.reason for row in tables.dead_letters) == Counter(specimen.reason for specimen in refused)
    assert tables.runs == []


async def test_repeats_in_one_partition_are_sorted_out_beside_another_without_any(road: Road) -> None:
    # Given a backlog of two partitions, larger than a batch each; in the one of them every event is said twice,
    repeating, plain = (key_of_partition(number, partitions=3) for number in (0, 1))
    said = [Message(repeating, changed()(f"event-{number}")) for number in range(500)]
    road.publish(message for once in said for message in (once, once))
    road.publish(Message(plain, changed()(f"event-{number}")) for number in range(1_000))
    # when they share a lane,
    await road.consume(AGENT_RUNS_BATCH_RECORDS="20", AGENT_RUNS_LANES="1")
    # then the batches without repeats don't make it forget how to deal with those that have some.
    await road.assert_in_order()
    assert sum(row.repeats for row in (await road.tables()).offsets) == 500


async def test_what_a_transaction_took_back_never_appears(road: Road) -> None:
    # Given a log with committed and aborted transactions, and so with gaps,
    producer = foreign_producer(road.servers.bootstrap_servers, **{"transactional.id": road.topic})
    producer.init_transactions()
    for number in range(20):
        producer.begin_transaction()
        kind = "aborted" if number % 3 == 0 else "committed"
        messages = [Message(f"run-{of}".encode(), changed()(f"{kind}-{number}-{of}")) for of in range(9)]
        publish(producer, road.topic, messages)
        producer.abort_transaction() if kind == "aborted" else producer.commit_transaction()
    # when the service has read it in small batches,
    await road.consume(AGENT_RUNS_BATCH_RECORDS="5")
    # then what was committed is there, and what was aborted isn't.
    await road.assert_in_order()
    tables = await road.tables()
    assert len(tables.events) == 13 * 9
    assert all(row.id.startswith("committed") for row in tables.events)


def test_a_foreign_producer_puts_a_run_into_the_partition_that_our_own_would(road: Road, seed: int) -> None:
    # Given what librdkafka published,
    receipts = road.publish(workload(seed))
    # when the partitions are worked out as aiokafka and Java do,
    moved = {
        receipt.message.key
        for receipt in receipts
        if receipt.message.key and receipt.partition != aiokafka_partition(receipt.message.key, partitions=3)
    }
    # then they are the same, so that two producers of one run don't tear it apart.
    assert moved == set()
