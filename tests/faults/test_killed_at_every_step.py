"""SIGKILL before and after every step of a consumer: no record is lost, none is stored twice."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from signal import SIGKILL

from tests.checker import compare, read_log
from tests.checker.tables import Tables
from tests.support.fault_injection.steps import STEPS
from tests.support.scene import Scene
from tests.support.servers import MakeDatabase
from tests.support.workloads.mixed import mixed


async def test_a_consumer_killed_before_or_after_any_step_leaves_the_same_tables(
    scene: Scene, make_database: MakeDatabase, rng: Random
) -> None:
    # Given a log that makes a transaction execute each of its statements,
    await scene.publish(*mixed(rng, 3_000))
    uninterrupted, killed_before, killed_after = [replace(scene, database=await make_database()) for _ in range(3)]
    # when consumers are killed one after the other, each at the next step,
    await asyncio.gather(
        _kill_at_each_step(killed_before, "before"),
        _kill_at_each_step(killed_after, "after"),
        uninterrupted.run_until_end(),
    )
    # and the last ones are not killed,
    await killed_before.run_until_end()  # one after the other: in one group they would share the partitions
    await killed_after.run_until_end()
    # then the tables are those of a consumer that was never killed.
    await uninterrupted.assert_consistent()
    expected = _rows(await uninterrupted.tables())
    assert _rows(await killed_before.tables()) == expected
    assert _rows(await killed_after.tables()) == expected


async def _kill_at_each_step(scene: Scene, when: str) -> None:
    log = await asyncio.to_thread(read_log, scene.servers.bootstrap_servers, scene.topic)
    for number, step in enumerate(STEPS):
        place = f"{when} {step} {1 + number % 2}"
        # Each in its own group: a killed member would stay in a shared group until its session ends.
        consumer = scene.start("--until-end", fault=f"SIGKILL {place}", AGENT_RUNS_GROUP=f"{scene.database}-{number}")
        assert await consumer.wait_for_exit() == -SIGKILL, f"the step was not reached: {place}\n{consumer.output}"
        violations = compare(log, await scene.tables(), finished=False)
        assert not violations, "\n".join([place, *map(str, violations)])


def _rows(tables: Tables) -> Sequence[Counter[object]]:
    """The rows in any order; wall-clock columns and the ids of dead letters are not among them."""
    return [Counter[object](rows) for rows in (tables.runs, tables.events, tables.offsets, tables.dead_letters)]
