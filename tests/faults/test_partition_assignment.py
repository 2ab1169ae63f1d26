"""Partitions are assigned while nobody can say, or not at once, where they go on."""

import asyncio
from itertools import islice
from random import Random

from confluent_kafka import Consumer, TopicPartition

from tests.support.proxy.proxy import DatabaseProxy
from tests.support.scene import Scene
from tests.support.workloads.background import load
from tests.support.workloads.troubled import ordinary

RECORDS = 600
PARTITIONS = 3


def _lie(scene: Scene) -> None:
    """Tell Kafka that the group has read some of its records, which no table knows of."""
    consumer = Consumer({"bootstrap.servers": scene.servers.bootstrap_servers, "group.id": scene.topic})
    consumer.commit(offsets=[TopicPartition(scene.topic, n, 7) for n in range(PARTITIONS)], asynchronous=False)
    consumer.close()


async def test_nothing_is_fetched_for_a_partition_before_the_answer_where_it_begins(scene: Scene, rng: Random) -> None:
    # Given a log, and a Kafka that says of the group another offset than the tables do,
    scene.publish(islice(ordinary(rng), RECORDS))
    await asyncio.to_thread(_lie, scene)
    # when a consumer has its partitions, and PostgreSQL takes its time to say where they begin,
    consumer = scene.start(fault="LATE=2 before offsets 1")
    await consumer.says("Injected fault")
    await consumer.consumes()
    # then not a record is written that was fetched before the answer: not even one that would be refused.
    await scene.drained()
    await scene.assert_in_order()
    assert "A batch was not stored" not in consumer.output
    await consumer.terminated()


async def test_partitions_that_are_assigned_while_postgresql_is_silent_wait_and_the_others_go_on(
    scene: Scene, seed: int
) -> None:
    # Given a consumer at work, with a wire to PostgreSQL of its own,
    async with DatabaseProxy(scene.database) as proxy, load(scene, seed):
        deaf = scene.start(DATABASE_URL=proxy.database_url, AGENT_RUNS_DATABASE_TIMEOUT_S="1")
        await scene.stores_more()
        # when that is dead, just as the group is shared out anew because another one joins,
        proxy.audible.clear()
        other = scene.start()
        await deaf.says("Partitions assigned", times=2)
        await deaf.says("start and check partitions")
        # then the other one's partitions go on,
        await scene.stores_more(100)
        # and the first one's from where they stand, when its wire is back.
        proxy.audible.set()
        await scene.drained()
        for consumer in (deaf, other):
            await consumer.terminated()
    await scene.consume()
    await scene.assert_in_order()
