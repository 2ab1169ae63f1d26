"""PostgreSQL and Kafka crash and come back while records keep coming."""

import asyncio
import os
from random import Random
from signal import SIGCONT, SIGQUIT, SIGSTOP

import pytest

from deploy.local import Kafka, PostgreSQL
from tests.support.scene import SETTINGS, Scene
from tests.support.waiting import until
from tests.support.workloads.background import load
from tests.support.workloads.troubled import bulky

CRASHES_OF_POSTGRES = 4
CRASHES_OF_KAFKA = 2
SESSION_S = float(SETTINGS["AGENT_RUNS_SESSION_TIMEOUT_S"])
BATCH = int(SETTINGS["AGENT_RUNS_BATCH_RECORDS"])
IMMEDIATE_STOPS = int(os.environ.get("AGENT_RUNS_TEST_IMMEDIATE_STOPS") or 50)


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


async def test_an_immediate_stop_in_mid_transaction_undoes_it_whole(
    scene_of_mortal_postgres: Scene, mortal_postgres: PostgreSQL, rng: Random
) -> None:
    # Given a consumer that stands still in the middle of its second transaction,
    scene = scene_of_mortal_postgres
    scene.publish(bulky(rng, 300))
    consumer = scene.start(fault="SIGSTOP before commit 2", AGENT_RUNS_LANES="1", AGENT_RUNS_SESSION_TIMEOUT_S="20")
    await consumer.is_stopped()
    # when PostgreSQL is stopped at once, recovers, and the consumer goes on,
    await _stop_immediately(mortal_postgres)
    await asyncio.to_thread(mortal_postgres.start)
    assert await scene.stored() == BATCH  # the first transaction, and nothing of the second
    consumer.resume()
    # then it asks what happened, and does it again.
    await consumer.says("ConnectionLost")
    await scene.drained()
    await _nothing_is_lost_or_blamed(scene)
    await consumer.terminated()


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_fifty_immediate_stops_under_load_cost_nothing(
    scene_of_mortal_postgres: Scene, mortal_postgres: PostgreSQL, rng: Random, seed: int
) -> None:
    scene = scene_of_mortal_postgres
    consumers = [scene.start(), scene.start()]
    async with load(scene, seed):
        for _ in range(IMMEDIATE_STOPS):
            await scene.stores_more(rng.randrange(300))
            await _stop_immediately(mortal_postgres)
            await asyncio.to_thread(mortal_postgres.start)
    await scene.drained()
    await _nothing_is_lost_or_blamed(scene)
    for consumer in consumers:
        await consumer.terminated()


async def _stop_immediately(postgres: PostgreSQL) -> None:
    """As `pg_ctl stop -m immediate`: no check point, so that the next start is a recovery."""
    assert postgres.pid is not None
    os.kill(postgres.pid, SIGQUIT)
    await until(lambda: postgres.pid is None, "PostgreSQL has stopped")
    await asyncio.to_thread(postgres.kill)  # nothing is left to kill but its supervisor


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


@pytest.mark.slow
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
    assert not (await scene.tables()).dead_letters
