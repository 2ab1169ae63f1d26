"""A consumer is frozen in mid transaction until its session has ended, and then resumed."""

from random import Random

import pytest

from tests.support.scene import Scene
from tests.support.servers.clients import Connection
from tests.support.waiting import until
from tests.support.workloads.mixed import large_events

# A batch of more than one COPY chunk (256 KiB), so that a part of it is not sent yet. Only the second consumer may
# release the locks of the first, before it waits for them: both timeouts are longer than the test.
SETTINGS = {
    "AGENT_RUNS_BATCH_RECORDS": "200",
    "AGENT_RUNS_DATABASE_TIMEOUT_S": "600",
    "AGENT_RUNS_LOCK_TIMEOUT_S": "600",
}
RECORDS = 3_000
IN_MID_COPY = """
    SELECT EXISTS (SELECT FROM pg_stat_activity
                    WHERE datname = current_database()
                      AND query LIKE 'COPY%' AND state = 'active' AND wait_event = 'ClientRead')
"""
# The step at which it is frozen, and the error that it gets when it resumes. Before the fence it holds no lock and
# finds the offsets moved; behind the fence its locks block the other consumer, which terminates its backend.
STEPS = {
    "before move_offsets 2": "StaleOffsets",
    "before insert_events 2": "ConnectionLost",
    "after chunk 1": "ConnectionLost",
    "before commit 2": "ConnectionLost",
}


@pytest.mark.parametrize(
    "step",
    [
        "before move_offsets 2",
        pytest.param("before insert_events 2", marks=pytest.mark.slow),
        "after chunk 1",
        "before commit 2",
    ],
)
async def test_a_frozen_consumers_transaction_is_taken_over_and_its_own_write_refused(
    scene: Scene, other_session: Connection, rng: Random, step: str
) -> None:
    # Given a consumer that is frozen in the middle of a transaction, with a backlog,
    await scene.publish(*large_events(rng, RECORDS))
    first = scene.start(fault=f"SIGSTOP {step}", **SETTINGS)
    await first.wait_until_frozen()
    if "chunk" in step:
        await until(lambda: other_session.fetchval(IN_MID_COPY), "PostgreSQL waits for the rest of a COPY")
    # when a second one joins the group, and the first one's session ends,
    second = scene.start(**SETTINGS)
    # then the second one does not wait for the locks of the first, which no timeout of PostgreSQL would release,
    await scene.wait_until_drained()
    # and terminates no other session.
    assert await other_session.fetchval("SELECT true")
    # When the first one resumes, then its write is refused, and it gets its share of the partitions,
    first.resume()
    await first.wait_for_output(STEPS[step])
    for consumer in (first, second):
        await consumer.wait_for_action("assigned", times=2)
    # so that both consume, and every record is stored exactly once.
    await scene.publish(*large_events(rng, RECORDS))
    await scene.wait_until_drained()
    await scene.assert_consistent()
    for consumer in (first, second):
        await consumer.terminate()
