"""SIGTERM at any moment: the process exits in time with code 0, and leaves no partial transaction."""

import asyncio
from random import Random

from deploy.local import Kafka, PostgreSQL
from tests.checker import check
from tests.support.proxy.proxy import DatabaseProxy
from tests.support.scene import FAULT_SETTINGS, Scene
from tests.support.workloads.background import publishing

ROUNDS = 6
# The setting bounds the current transactions. Leaving a group and a log that do not answer takes up to 10 s more, and a
# busy machine delays the rest. The Kafka client's own timeouts are 40 s.
DEADLINE_S = float(FAULT_SETTINGS["AGENT_RUNS_SHUTDOWN_TIMEOUT_S"]) + 25


async def test_sigterm_at_any_moment_under_load_ends_a_consumer_in_order(scene: Scene, rng: Random, seed: int) -> None:
    async with publishing(scene, seed):
        for _ in range(ROUNDS):
            # Given a consumer with partitions,
            consumer = scene.start()
            await consumer.wait_until_assigned()
            await asyncio.sleep(rng.random() / 2)  # the moment is under test: there is nothing to wait for
            # when it gets SIGTERM, then it exits,
            await consumer.terminate(DEADLINE_S)
            # and the tables are consistent,
            violations = await check(scene.servers.bootstrap_servers, scene.topic, scene.database, finished=False)
            assert not violations, violations
    # and the next consumer stores the rest.
    await scene.run_until_end()
    await scene.assert_consistent()


async def test_sigterm_ends_a_consumer_while_postgresql_is_down(
    scene_on_killable_postgres: Scene, killable_postgres: PostgreSQL, seed: int
) -> None:
    scene = scene_on_killable_postgres
    # Given a consumer under load and one that is starting, when PostgreSQL is killed,
    async with publishing(scene, seed):
        working = scene.start()
        await scene.wait_for_more()
        await asyncio.to_thread(killable_postgres.kill)
        starting = scene.start()
        for consumer in (working, starting):
            await consumer.wait_for_action("wait")
        # and they get SIGTERM, then they do not wait for PostgreSQL.
        for consumer in (working, starting):
            await consumer.terminate(DEADLINE_S)


async def test_sigterm_ends_a_consumer_while_postgresql_does_not_answer(scene: Scene, seed: int) -> None:
    # Given a consumer with a current transaction,
    async with DatabaseProxy(scene.database) as proxy, publishing(scene, seed):
        consumer = scene.start(DATABASE_URL=proxy.database_url)
        await scene.wait_for_more()
        # when PostgreSQL becomes unreachable, and the consumer gets SIGTERM,
        proxy.reachable.clear()
        # then it exits within its deadline.
        await consumer.terminate(DEADLINE_S)
    await scene.run_until_end()
    await scene.assert_consistent()


async def test_sigterm_ends_a_consumer_while_kafka_is_down(
    scene_on_killable_kafka: Scene, killable_kafka: Kafka, seed: int
) -> None:
    scene = scene_on_killable_kafka
    # Given a consumer under load and one that is starting, when Kafka is killed,
    async with publishing(scene, seed):
        working = scene.start()
        await scene.wait_for_more()
        await asyncio.to_thread(killable_kafka.kill)
        starting = scene.start()
        await starting.wait_for_action("wait")
        # and they get SIGTERM, then they do not wait for Kafka,
        for consumer in (working, starting):
            await consumer.terminate(DEADLINE_S)
        await asyncio.to_thread(killable_kafka.start)
    # and the next consumer stores the rest.
    await scene.run_until_end()
    await scene.assert_consistent()
