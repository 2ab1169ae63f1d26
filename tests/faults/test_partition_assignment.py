"""Partitions are assigned while their stored offsets are not known, or not yet."""

import asyncio
from itertools import islice
from random import Random

from confluent_kafka import Consumer, TopicPartition

from tests.support.proxy.proxy import DatabaseProxy
from tests.support.scene import PARTITIONS, Scene
from tests.support.workloads.background import publishing
from tests.support.workloads.mixed import ordinary_events

RECORDS = 600


def _commit_wrong_offsets(scene: Scene) -> None:
    """Commit offsets to Kafka for the consumers' group that differ from the stored ones."""
    consumer = Consumer({"bootstrap.servers": scene.servers.bootstrap_servers, "group.id": scene.topic})
    consumer.commit(offsets=[TopicPartition(scene.topic, n, 7) for n in range(PARTITIONS)], asynchronous=False)
    consumer.close()


async def test_nothing_is_fetched_before_the_stored_offsets_are_known(scene: Scene, rng: Random) -> None:
    # Given a log, and offsets committed to Kafka that differ from the stored ones,
    await scene.publish(*islice(ordinary_events(rng), RECORDS))
    await asyncio.to_thread(_commit_wrong_offsets, scene)
    # when a consumer gets its partitions, and PostgreSQL answers the question for the stored offsets late,
    consumer = scene.start(fault="LATE=2 before offsets 1")
    await consumer.wait_for_output("Injected fault")
    await consumer.wait_until_assigned()
    # then no record that was fetched before the answer is written, not even in a transaction that is refused.
    await scene.wait_until_drained()
    await scene.assert_consistent()
    assert consumer.count("batch_failed") == 0
    await consumer.terminate()


async def test_partitions_assigned_while_postgresql_does_not_answer_wait_and_the_others_continue(
    scene: Scene, seed: int
) -> None:
    # Given a consumer under load with its own connection to PostgreSQL,
    async with DatabaseProxy(scene.database) as proxy, publishing(scene, seed):
        cut_off = scene.start(DATABASE_URL=proxy.database_url, AGENT_RUNS_DATABASE_TIMEOUT_S="1")
        await scene.wait_for_more()
        # when that connection goes dead just as another consumer joins and the group rebalances,
        proxy.reachable.clear()
        other = scene.start()
        await cut_off.wait_for_action("assigned", times=2)
        await cut_off.wait_for_output("start and check partitions")
        # then the other consumer's partitions continue,
        await scene.wait_for_more(100)
        # and the first one's from their stored offsets, when its connection works again.
        proxy.reachable.set()
        await scene.wait_until_drained()
        for consumer in (cut_off, other):
            await consumer.terminate()
    await scene.run_until_end()
    await scene.assert_consistent()
