"""A log that is consumed again, by the same database or by another one, says the same."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random

from tests.checker import determinism
from tests.support.scene import Scene
from tests.support.workloads.troubled import troubled


async def test_rewinding_the_offsets_and_consuming_again_changes_nothing_but_the_count_of_repeats(
    scene: Scene, rng: Random
) -> None:
    # Given a log with everything in it, consumed to its end,
    scene.publish(troubled(rng, 1_000))
    await scene.consume()
    # when somebody sets the offsets back, each partition's somewhere else, and consumes again,
    changed = await scene.rewound(rng)
    # then nothing has changed, and each of those records was counted as a repeat.
    assert not changed, "\n".join(map(str, changed))


async def test_two_databases_that_are_fed_the_same_log_in_other_batches_hold_the_same_rows(
    scene: Scene, make_database: Callable[[], Awaitable[str]], rng: Random
) -> None:
    # Given a log with everything in it, and a second database,
    scene.publish(troubled(rng, 1_000))
    other = replace(scene, database=await make_database())
    # when one is filled in small batches and the other in large ones, by several connections,
    await asyncio.gather(
        scene.consume(AGENT_RUNS_BATCH_RECORDS="7", AGENT_RUNS_GROUP=f"{scene.topic}-1"),
        other.consume(AGENT_RUNS_BATCH_RECORDS="500", AGENT_RUNS_GROUP=f"{scene.topic}-2"),
    )
    # then they hold the same rows.
    differences = determinism(await scene.tables(), await other.tables())
    assert not differences, "\n".join(map(str, differences))
