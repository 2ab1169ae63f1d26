"""SIGTERM at any moment: the process ends in time and in good order, and nothing is half done."""

import asyncio
from random import Random

from deploy.local import Kafka, PostgreSQL
from tests.checker import check
from tests.support.proxy.proxy import DatabaseProxy
from tests.support.scene import SETTINGS, Scene
from tests.support.workloads.background import load

ROUNDS = 6
# The setting bounds the transactions that are under way. Leaving a group and a log that don't answer takes some more.
DEADLINE_S = float(SETTINGS["AGENT_RUNS_SHUTDOWN_TIMEOUT_S"]) + 10


async def test_sigterm_at_any_moment_under_load_ends_a_consumer_in_order(scene: Scene, rng: Random, seed: int) -> None:
    async with load(scene, seed):
        for _ in range(ROUNDS):
            # Given a consumer at work,
            consumer = scene.start()
            await consumer.consumes()
            await asyncio.sleep(rng.random() / 2)  # the moment is the experiment: nothing is waited for
            # when it is told to end, then it does,
            await consumer.terminated(DEADLINE_S)
            # and what it leaves is whole,
            violations = await check(scene.servers.bootstrap_servers, scene.topic, scene.database, finished=False)
            assert not violations, violations
    # and what it leaves undone is found by the next one.
    await scene.consume()
    await scene.assert_in_order()


async def test_sigterm_ends_a_consumer_while_postgresql_is_down(
    scene_of_mortal_postgres: Scene, mortal_postgres: PostgreSQL, seed: int
) -> None:
    scene = scene_of_mortal_postgres
    # Given a consumer in the middle of its work, and one that is starting, when PostgreSQL dies,
    async with load(scene, seed):
        working = scene.start()
        await scene.stores_more()
        await asyncio.to_thread(mortal_postgres.kill)
        starting = scene.start()
        for consumer in (working, starting):
            await consumer.says("Waiting for the world")
        # when they are told to end, then they don't wait for it.
        for consumer in (working, starting):
            await consumer.terminated(DEADLINE_S)


async def test_sigterm_ends_a_consumer_while_postgresql_does_not_answer(scene: Scene, seed: int) -> None:
    # Given a consumer with a transaction under way,
    async with DatabaseProxy(scene.database) as proxy, load(scene, seed):
        consumer = scene.start(DATABASE_URL=proxy.database_url)
        await scene.stores_more()
        # when the wire to PostgreSQL goes dead, and it is told to end,
        proxy.audible.clear()
        # then it waits as long as it may, and no longer.
        await consumer.terminated(DEADLINE_S)
    await scene.consume()
    await scene.assert_in_order()


async def test_sigterm_ends_a_consumer_while_kafka_is_down(
    scene_of_mortal_kafka: Scene, mortal_kafka: Kafka, rng: Random, seed: int
) -> None:
    scene = scene_of_mortal_kafka
    # Given a consumer in the middle of its work, and one that is starting, when Kafka dies,
    async with load(scene, seed):
        working = scene.start()
        await scene.stores_more()
        await asyncio.to_thread(mortal_kafka.kill)
        starting = scene.start()
        await starting.says("Waiting for the world")
        # when they are told to end, then they don't wait for it,
        for consumer in (working, starting):
            await consumer.terminated(DEADLINE_S)
        await asyncio.to_thread(mortal_kafka.start)
    # and what they leave undone is found by the next one.
    await scene.consume()
    await scene.assert_in_order()
