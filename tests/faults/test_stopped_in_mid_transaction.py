"""A consumer that sleeps past its session, wakes up, and takes up its work where it left it: too late."""

from collections.abc import AsyncIterator
from random import Random

import asyncpg
import pytest

from tests.support.scene import Scene
from tests.support.waiting import until
from tests.support.workloads.troubled import bulky

# A batch of more than one piece of COPY (256 KiB), so that there is something left to send.
# And nothing but the second consumer may free what the first one holds: its transaction may last longer than the test.
SETTINGS = {"AGENT_RUNS_BATCH_RECORDS": "200", "AGENT_RUNS_DATABASE_TIMEOUT_S": "600"}
RECORDS = 3_000
IN_MID_COPY = """
    SELECT EXISTS (SELECT FROM pg_stat_activity
                    WHERE datname = current_database()
                      AND query LIKE 'COPY%' AND state = 'active' AND wait_event = 'ClientRead')
"""
STEPS = {
    # Where it stops, and what it is told when it goes on. Before the fence it holds no lock, and finds the offsets
    # moved; behind it, its locks are in the way, and its connection is gone.
    "before move_offsets 2": "StaleOffsets",
    "before insert_events 2": "ConnectionLost",
    "after piece 1": "ConnectionLost",
    "before commit 2": "ConnectionLost",
}


@pytest.fixture
async def bystander(database: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A session of the same role in the same database, which is none of a consumer's business."""
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.mark.parametrize("step", STEPS)
async def test_what_a_stopped_consumer_had_begun_is_done_by_another_one_and_refused_to_it(
    scene: Scene, bystander: "asyncpg.Connection[asyncpg.Record]", rng: Random, step: str
) -> None:
    # Given a consumer that was stopped in the middle of a transaction, with a backlog behind it,
    scene.publish(bulky(rng, RECORDS))
    first = scene.start(fault=f"SIGSTOP {step}", **SETTINGS)
    await first.is_stopped()
    if "piece" in step:
        await until(lambda: bystander.fetchval(IN_MID_COPY), "PostgreSQL waits for the rest of a COPY")
    # when a second one joins the group, and the first one's session ends,
    second = scene.start(**SETTINGS)
    # then the second one doesn't wait for what the first one holds: no timeout of PostgreSQL would end that,
    await scene.drained()
    # and ends no session but that one,
    assert await bystander.fetchval("SELECT true")
    # and when the first one goes on, its write is refused, and it takes its share of the partitions,
    first.resume()
    await first.says(STEPS[step])
    await first.says("Partitions assigned", times=2)
    await second.says("Partitions assigned", times=2)
    # so that both work on, and every record is in one place.
    scene.publish(bulky(rng, RECORDS))
    await scene.drained()
    await scene.assert_in_order()
    await first.terminated()
    await second.terminated()
