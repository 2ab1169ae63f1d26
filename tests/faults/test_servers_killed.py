"""PostgreSQL and Kafka crash and come back while records keep coming."""

import asyncio
from random import Random

from deploy.local import Kafka, PostgreSQL
from tests.faults.load import load
from tests.faults.scene import Scene

CRASHES_OF_POSTGRES = 4
CRASHES_OF_KAFKA = 2


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


async def _nothing_is_lost_or_blamed(scene: Scene) -> None:
    await scene.assert_in_order()
    assert not (await scene.tables()).letters
