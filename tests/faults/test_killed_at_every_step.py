"""SIGKILL at every instruction that matters: what the next process finds is whole, and nothing happens twice."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from random import Random
from signal import SIGKILL

from tests.checker import compare, read_log
from tests.checker.tables import Tables
from tests.support.fault_injection.steps import STEPS
from tests.support.scene import Scene
from tests.support.workloads.troubled import troubled


async def test_a_consumer_killed_before_or_after_any_step_leaves_nothing_undone_or_done_twice(
    scene: Scene, make_database: Callable[[], Awaitable[str]], rng: Random
) -> None:
    # Given a log with everything in it that a transaction has a statement for,
    scene.publish(troubled(rng, 3_000))
    undisturbed, killed_before, killed_after = [replace(scene, database=await make_database()) for _ in range(3)]
    # when one consumer after the other is killed, each of them one step further on,
    await asyncio.gather(
        _kill_at_each_step(killed_before, "before"), _kill_at_each_step(killed_after, "after"), undisturbed.consume()
    )
    # and the last ones are left alone,
    await killed_before.consume()  # one after the other: in one group they would share the partitions out
    await killed_after.consume()
    # then the tables say the same as those of a consumer that nothing ever happened to.
    await undisturbed.assert_in_order()
    expected = _rows(await undisturbed.tables())
    assert _rows(await killed_before.tables()) == expected
    assert _rows(await killed_after.tables()) == expected


async def _kill_at_each_step(scene: Scene, when: str) -> None:
    log = await asyncio.to_thread(read_log, scene.servers.bootstrap_servers, scene.topic)
    for number, step in enumerate(STEPS):
        place = f"{when} {step} {1 + number % 2}"
        # A group of its own: who was killed stays a member of the old one until its session ends, and is waited for.
        consumer = scene.start("--until-end", fault=f"SIGKILL {place}", AGENT_RUNS_GROUP=f"{scene.database}-{number}")
        assert await consumer.ended() == -SIGKILL, f"never came to be {place}:\n{consumer.output}"
        violations = compare(log, await scene.tables(), finished=False)
        assert not violations, "\n".join([place, *map(str, violations)])


def _rows(tables: Tables) -> Sequence[Counter[object]]:
    """The rows in no particular order; clocks and ids of letters are not among the columns."""
    return [Counter[object](rows) for rows in (tables.runs, tables.events, tables.offsets, tables.dead_letters)]
