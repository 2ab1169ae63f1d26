"""`LogWatch` reads the ends of all partitions, when a record was written, and who has a transaction open."""

from collections.abc import AsyncIterator
from time import time

import pytest

from agent_runs.settings import KafkaSettings
from consumer.errors import Unavailable
from consumer.kafka.log_watch import LogEnds, LogWatch
from tests.support.foreign_producer import publish, transactional_producer
from tests.support.messages import events_of
from tests.support.scene import MakeScene, Scene
from tests.support.servers.topics import delete_records_before
from tests.support.waiting import until


@pytest.fixture
async def scene(make_scene: MakeScene) -> Scene:
    return await make_scene(2)


@pytest.fixture
async def log(scene: Scene) -> AsyncIterator[LogWatch]:
    log = LogWatch(KafkaSettings(bootstrap_servers=scene.servers.bootstrap_servers), scene.topic)
    yield log
    await log.close()


async def test_the_ends_of_a_log_include_records_of_an_open_transaction(scene: Scene, log: LogWatch) -> None:
    # Given a partition whose first record was deleted, with a transaction that is open and a record behind it,
    await scene.publish(*events_of("run", "a", "b", partition=1))
    await delete_records_before(scene.servers.bootstrap_servers, scene.topic, 1, partition=1)
    producer = transactional_producer(scene.servers.bootstrap_servers, scene.topic)
    producer.begin_transaction()
    publish(producer, scene.topic, events_of("run", "c", partition=1))
    await scene.publish(*events_of("run", "d", partition=1))
    # then readers of committed records see the log up to the transaction, and the log is longer,
    assert await log.ends() == {0: LogEnds(0, 0, 0), 1: LogEnds(1, 2, 4)}
    # and Kafka names the producer.
    transaction = await log.open_transaction(1)
    assert transaction is not None
    assert (transaction.start_offset, transaction.epoch) == (2, 0)
    assert transaction.transactional_id == scene.topic
    assert await log.open_transaction(0) is None
    producer.abort_transaction()

    async def is_over() -> bool:
        return (await log.ends())[1] == LogEnds(1, 5, 5)

    await until(is_over, "the marker of the transaction is written")
    assert await log.open_transaction(1) is None


async def test_the_time_of_the_next_record_is_read_also_behind_markers_and_in_a_transaction(
    scene: Scene, log: LogWatch
) -> None:
    # Given a committed record, its marker, an aborted record, its marker, and an open transaction,
    begun_at = time() * 1000
    producer = transactional_producer(scene.servers.bootstrap_servers, scene.topic)
    for end in (producer.commit_transaction, producer.abort_transaction, None):
        producer.begin_transaction()
        publish(producer, scene.topic, events_of("run", "a"))
        if end:
            end()
    ended_at = time() * 1000
    # then the time of the first record at or after each offset is known,
    times = [await log.written_at(0, offset) for offset in range(5)]
    assert all(written_at is not None and begun_at - 1000 <= written_at <= ended_at + 1000 for written_at in times)
    assert times[1] == times[2]
    assert times[3] == times[4] != times[2]
    # and behind the end there is none.
    assert await log.written_at(0, 5) is None
    assert await log.written_at(1, 0) is None
    producer.abort_transaction()


async def test_the_first_record_after_a_time_is_found_in_each_partition(scene: Scene, log: LogWatch) -> None:
    # Given records of two times in a partition, and one record in the other,
    await scene.publish(*events_of("run", "a"))
    early_ms = await log.written_at(0, 0)
    await until(lambda: early_ms is not None and time() * 1000 > early_ms + 1, "the clock has moved on")
    await scene.publish(*events_of("run", "b"), *events_of("other", "a", partition=1))
    late_ms, other_ms = await log.written_at(0, 1), await log.written_at(1, 0)
    assert early_ms is not None
    assert late_ms is not None
    # then the first record that is newer than a time is found.
    assert await log.first_after({0: -1, 1: -1}) == {0: (0, early_ms), 1: (0, other_ms)}
    assert await log.first_after({0: early_ms}) == {0: (1, late_ms)}
    assert await log.first_after({0: late_ms}) == {}


async def test_a_topic_that_does_not_exist_and_a_broker_that_cannot_be_reached_are_unavailable(scene: Scene) -> None:
    missing = LogWatch(KafkaSettings(bootstrap_servers=scene.servers.bootstrap_servers), "missing")
    unreachable = LogWatch(KafkaSettings(bootstrap_servers="127.0.0.1:1"), "missing")
    for log in (missing, unreachable):
        with pytest.raises(Unavailable):
            await log.ends()
        await log.close()
