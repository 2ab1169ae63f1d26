"""The watch beside a real consumer under load: silent while it is honest, and not when it isn't."""

from random import Random

from tests.checker import watching
from tests.faults.load import load
from tests.faults.scene import Scene
from tests.faults.workload import troubled


async def test_snapshots_taken_while_a_consumer_is_killed_under_load_break_no_rule(
    scene: Scene, rng: Random, seed: int
) -> None:
    # Given a log with everything in it, and somebody who watches,
    scene.publish(troubled(rng, 1_000))
    async with watching(scene.servers.bootstrap_servers, scene.topic, scene.database, interval_s=0.2) as watch:
        async with load(scene, seed):
            # when a consumer is killed under load, and another one takes over,
            first = scene.start()
            await scene.stores_more(500)
            first.kill()
            second = scene.start()
            await scene.stores_more(500)
        await scene.drained()
        await watch.caught_up()
        await second.terminated()
    # then many snapshots have been judged, and everything that there is to judge;
    assert watch.snapshots > 10
    assert watch.events >= len((await scene.tables()).events)
    # and no rule was broken at any moment.
    assert not watch.violations, watch.report()
