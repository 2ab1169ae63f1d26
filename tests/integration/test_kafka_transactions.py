"""Transactional producers leave aborted records and markers in the log, and so offsets without a record."""

from tests.support.foreign_producer import publish, transactional_producer
from tests.support.messages import events_of
from tests.support.scene import MakeScene, Scene


async def test_aborted_records_are_never_stored_and_the_offsets_pass_the_markers(make_scene: MakeScene) -> None:
    # Given transactions of which some were aborted, the last one among them, in two partitions,
    scene = await make_scene(2)
    producer = transactional_producer(scene.servers.bootstrap_servers, scene.topic)
    for number, commits in enumerate((True, False, True, False)):
        producer.begin_transaction()
        records = [events_of(f"run-{at}", f"{number}-a", f"{number}-b", partition=at) for at in (0, 1)]
        publish(producer, scene.topic, records[0] + records[1])
        producer.commit_transaction() if commits else producer.abort_transaction()
    # when the log is consumed in batches of two records,
    await scene.consume(AGENT_RUNS_BATCH_RECORDS="2")
    # then the committed events are stored, and the offset is behind the last marker: two records and a marker take
    # three offsets.
    for run in ("run-0", "run-1"):
        assert await scene.event_ids(run) == ["0-a", "0-b", "2-a", "2-b"]
    offsets = await scene.rows("SELECT next_offset, last_offset, repeats FROM consumer_offsets")
    assert offsets == [(12, 7, 0)] * 2
    await scene.assert_consistent()
    # And when there is nothing new, another run ends too.
    await scene.consume()


async def test_a_log_of_only_aborted_records_is_consumed_to_its_end(scene: Scene) -> None:
    # Given a log in which no reader sees a record,
    producer = transactional_producer(scene.servers.bootstrap_servers, scene.topic)
    producer.begin_transaction()
    publish(producer, scene.topic, events_of("run", "aborted"))
    producer.abort_transaction()
    # when it is consumed, then only the offset is stored.
    await scene.consume()
    assert await scene.rows("SELECT * FROM agent_runs") == []
    assert await scene.rows("SELECT next_offset, last_offset FROM consumer_offsets") == [(2, None)]


async def test_an_open_transaction_blocks_only_its_own_partition(make_scene: MakeScene) -> None:
    # Given a transaction that is open in one of two partitions,
    scene = await make_scene(2)
    await scene.publish(*events_of("one", "a"))
    producer = transactional_producer(scene.servers.bootstrap_servers, scene.topic)
    producer.begin_transaction()
    publish(producer, scene.topic, events_of("one", "b"))
    # when others publish behind it, and in the other partition,
    await scene.publish(*events_of("one", "c"), *events_of("two", "a", "b", partition=1))
    consumer = scene.start()
    # then the other partition is stored, and this one up to the open transaction,
    await scene.wait_for_events("two", "a", "b")
    await scene.wait_for_events("one", "a")
    # `run --until-end` ends there,
    await scene.consume()
    assert await scene.event_ids("one") == ["a"]
    # and when it is aborted, as the broker does after a timeout, what follows is stored.
    producer.abort_transaction()
    await scene.wait_for_events("one", "a", "c")
    await consumer.terminate()
    await scene.assert_consistent()
