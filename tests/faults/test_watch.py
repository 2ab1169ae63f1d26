"""The watch beside a real consumer under load: silent while it is honest, and not when it isn't."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random

from tests.checker import Rule, watching
from tests.faults.breakable.bugs import BUGS
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


BROKEN = {
    "ForgetsTheStatus": {Rule.PROJECTION},
    "SkipsANumber": {Rule.GAP_FREE},
    # A snapshot sees either the moment in between, or who wrote what afterwards.
    "MovesTheOffsetsApart": {Rule.COMPLETENESS, Rule.ATOMICITY},
}


async def test_a_bug_in_a_consumer_is_seen_under_the_rule_that_it_breaks(
    scene: Scene, make_database: Callable[[], Awaitable[str]], rng: Random
) -> None:
    # Given a log with everything in it, and for each bug a database and a consumer that has it,
    assert BROKEN.keys() == BUGS.keys()
    scene.publish(troubled(rng, 200))
    scenes = {bug: replace(scene, database=await make_database()) for bug in BUGS}
    # when each consumes, then each is seen breaking its rule.
    found = await asyncio.gather(*(_rules_broken(scenes[bug], bug) for bug in BUGS))
    for bug, rules in zip(BUGS, found, strict=True):
        assert rules & BROKEN[bug], bug


async def _rules_broken(scene: Scene, bug: str) -> set[Rule]:
    async with watching(scene.servers.bootstrap_servers, scene.topic, scene.database, interval_s=0.2) as watch:
        consumer = scene.start("--until-end", fault=bug, AGENT_RUNS_GROUP=f"{scene.topic}-{bug}")
        assert await consumer.ended() == 0, consumer.output
        await watch.caught_up()
    return {violation.rule for violation in watch.violations}
