"""PostgreSQL and Kafka crash and come back while records keep coming."""

import asyncio
import os
from random import Random
from signal import SIGCONT, SIGSTOP

from deploy.local import Kafka, PostgreSQL
from tests.faults.load import load
from tests.faults.scene import SETTINGS, Scene

CRASHES_OF_POSTGRES = 4
CRASHES_OF_KAFKA = 2
SESSION_S = float(SETTINGS["AGENT_RUNS_SESSION_TIMEOUT_S"])


async def test_postgresql_killed_again_and_again_under_load_costs_nothing(
    scene_of_mortal_postgres: Scene, mortal_postgres: PostgreSQL, rng: Random, seed: int
) -> None:
    # Given two consumers at work,
    scene = scene_of_mortal_postgres
    consumers = [scene.start(), scene.start()]
    async with load(scene, seed):
        # when PostgreSQL is killed under them and comes back,
        for _ in range(CRASHES_OF_POSTGRES):
            await scene.stores_more(rng.randrange(300))
            await asyncio.to_thread(mortal_postgres.kill)
            await asyncio.to_thread(mortal_postgres.start)
    # then they catch up by themselves, no record is blamed for it, and each is in one place.
    await scene.drained()
    await _nothing_is_lost_or_blamed(scene)
    for consumer in consumers:
        await consumer.terminated()


async def test_kafka_killed_again_and_again_under_load_costs_nothing(
    scene_of_mortal_kafka: Scene, mortal_kafka: Kafka, rng: Random, seed: int
) -> None:
    # Given two consumers at work,
    scene = scene_of_mortal_kafka
    consumers = [scene.start(), scene.start()]
    async with load(scene, seed):
        # when the broker is killed under them and comes back,
        for _ in range(CRASHES_OF_KAFKA):
            await scene.stores_more(rng.randrange(300))
            await asyncio.to_thread(mortal_kafka.kill)
            await asyncio.to_thread(mortal_kafka.start)
    # then they catch up by themselves, no record is blamed for it, and each is in one place.
    await scene.drained()
    await _nothing_is_lost_or_blamed(scene)
    for consumer in consumers:
        await consumer.terminated()


async def test_kafka_frozen_past_all_sessions_and_restarted_in_order_under_load_costs_nothing(
    scene_of_mortal_kafka: Scene, mortal_kafka: Kafka, seed: int
) -> None:
    # Given two consumers at work,
    scene = scene_of_mortal_kafka
    consumers = [scene.start(), scene.start()]
    async with load(scene, seed):
        await scene.stores_more()
        # when the broker stands still for longer than their sessions last, and then goes on,
        assert mortal_kafka.pid is not None
        os.kill(mortal_kafka.pid, SIGSTOP)
        await asyncio.sleep(2 * SESSION_S)
        os.kill(mortal_kafka.pid, SIGCONT)
        # then they go on too;
        await scene.stores_more(100)
        # and when it is stopped and started again as for an upgrade, they do as well.
        await asyncio.to_thread(mortal_kafka.stop)
        await asyncio.to_thread(mortal_kafka.start)
        await scene.stores_more(100)
    await scene.drained()
    await _nothing_is_lost_or_blamed(scene)
    for consumer in consumers:
        await consumer.terminated()


async def _nothing_is_lost_or_blamed(scene: Scene) -> None:
    await scene.assert_in_order()
    assert not (await scene.tables()).letters
