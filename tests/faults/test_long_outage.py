"""PostgreSQL is down for minutes, while records keep arriving."""

import asyncio
import os
from time import monotonic

import pytest

from deploy.local import PostgreSQL
from deploy.local.ports import free_port
from tests.support.consumer_process import ConsumerProcess
from tests.support.health import health, wait_until_healthy, wait_until_unhealthy
from tests.support.scene import Scene
from tests.support.workloads.background import publishing

MINUTES = float(os.environ.get("AGENT_RUNS_TEST_OUTAGE_MINUTES") or 10)
DRAIN_S = 300.0  # for about 600 records a second of the outage; the machine may be busy
# As in production, except for a stall that is reported earlier.
SETTINGS = {"AGENT_RUNS_BATCH_RECORDS": "4000", "AGENT_RUNS_STALL_S": "5", "AGENT_RUNS_SESSION_TIMEOUT_S": "30"}
GROWTH_MIB = 60  # what is fetched and kept is bounded, whatever the backlog


@pytest.mark.slow
@pytest.mark.timeout(int(MINUTES * 60 + 3 * DRAIN_S))
async def test_an_outage_of_postgresql_leaves_no_dead_letter_and_consumers_catch_up(
    scene_on_killable_postgres: Scene, killable_postgres: PostgreSQL, seed: int
) -> None:
    # Given two consumers that share the partitions, under load,
    scene = scene_on_killable_postgres
    ports = [free_port(), free_port()]
    consumers = []
    for port in ports:
        consumers.append(scene.start(AGENT_RUNS_HTTP_PORT=str(port), **SETTINGS))
        await consumers[-1].wait_until_assigned()
    await consumers[0].wait_for_action("assigned", times=2)
    async with publishing(scene, seed):
        await scene.wait_for_more(1_000)
        before = [(_assignments(consumer), consumer.peak_mib) for consumer in consumers]
        # when PostgreSQL is down for minutes,
        await asyncio.to_thread(killable_postgres.kill)
        ends_at = monotonic() + MINUTES * 60
        for port in ports:
            await wait_until_unhealthy(port, "")
        await asyncio.sleep(ends_at - monotonic())  # the duration is under test: there is nothing to wait for
        # then no consumer has exited, left the group, or filled its memory with fetched records.
        assert [(await health(port))[0] for port in ports] == [503, 503]
        for consumer, (assignments, peak_mib) in zip(consumers, before, strict=True):
            assert (consumer.alive, _assignments(consumer)) == (True, assignments)
            print(f"from {peak_mib:.0f} to {consumer.peak_mib:.0f} MiB")
            assert consumer.peak_mib < peak_mib + GROWTH_MIB
        await asyncio.to_thread(killable_postgres.start)
        back_at = monotonic()
        await scene.wait_until_drained(DRAIN_S)
        records = await scene.consumed_records()
        print(f"{records} records, drained {monotonic() - back_at:.1f} s after PostgreSQL was back")
    # And when it is back, they catch up by themselves, without a dead letter, and every record is stored exactly once.
    await scene.wait_until_drained()
    for port in ports:
        await wait_until_healthy(port)
    await scene.assert_consistent(dead_letters=False)
    for consumer in consumers:
        await consumer.terminate()


def _assignments(consumer: ConsumerProcess) -> int:
    return consumer.count("assigned")
