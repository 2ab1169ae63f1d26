"""Connections to PostgreSQL that end in the middle of a word."""

from random import Random

import pytest

from tests.support.proxy.proxy import DatabaseProxy, Fate
from tests.support.scene import Scene
from tests.support.workloads.background import load
from tests.support.workloads.troubled import troubled

TERMINATIONS = 12


async def test_backends_terminated_at_random_under_load_cost_nothing(scene: Scene, rng: Random, seed: int) -> None:
    # Given two consumers at work,
    consumers = [scene.start(), scene.start()]
    async with load(scene, seed):
        # when all their backends are terminated, again and again, wherever they are in a transaction,
        for _ in range(TERMINATIONS):
            await scene.stores_more(rng.randrange(1, 100))
            await scene.terminate_backends()
    # then they work on over new connections, and every record is in one place.
    await scene.drained()
    await scene.assert_in_order()
    assert not (await scene.tables()).dead_letters
    for consumer in consumers:
        await consumer.terminated()


@pytest.mark.parametrize("fate", [Fate.NEVER_ARRIVES, Fate.ANSWER_IS_LOST])
async def test_a_commit_that_is_not_answered_has_one_effect_whether_it_happened_or_not(
    scene: Scene, rng: Random, fate: Fate
) -> None:
    # Given a wire that is cut at every second COMMIT: before it, or between it and its answer,
    scene.publish(troubled(rng, 1_500))
    async with DatabaseProxy(scene.database) as proxy:
        proxy.fates.extend([Fate.PASSES, fate] * 20)
        # when a consumer writes through it,
        consumer = scene.start("--until-end", DATABASE_URL=proxy.database_url)
        assert await consumer.ended() == 0, consumer.output
        assert not proxy.fates
    # then every record is in one place, and the consumer has asked what happened instead of trying its luck.
    await scene.assert_in_order()
    assert consumer.output.count("ConnectionLost") == 20
    assert "StaleOffsets" not in consumer.output


async def test_a_database_that_falls_silent_in_mid_transaction_is_left_and_tried_again(scene: Scene, seed: int) -> None:
    # Given a consumer at work,
    async with DatabaseProxy(scene.database) as proxy:
        consumer = scene.start(DATABASE_URL=proxy.database_url, AGENT_RUNS_DATABASE_TIMEOUT_S="1")
        async with load(scene, seed):
            await scene.stores_more()
            # when its wire goes dead, without any end being told,
            proxy.audible.clear()
            # then it gives up on that connection, and on new ones that nobody answers,
            await consumer.says("ConnectionLost")
            await consumer.says("Waiting for the world")
            # and works on when the wire is back: its old backend's locks are in the way no longer than they must.
            proxy.audible.set()
            await scene.stores_more(100)
        await scene.drained()
    await scene.assert_in_order()
    assert not (await scene.tables()).dead_letters
