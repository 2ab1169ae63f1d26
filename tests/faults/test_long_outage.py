"""PostgreSQL is away for longer than anybody would wait by hand."""

import asyncio
import os
from time import monotonic

import pytest

from deploy.local import PostgreSQL
from deploy.local.ports import free_port
from tests.support.consumer_process import ConsumerProcess
from tests.support.health import health
from tests.support.scene import Scene
from tests.support.waiting import until
from tests.support.workloads.background import load

MINUTES = float(os.environ.get("AGENT_RUNS_TEST_OUTAGE_MINUTES") or 10)
DRAIN_S = 300.0  # some 600 records a second were published meanwhile; the machine may have other work
# As in production, but for a stall that is told sooner.
SETTINGS = {"AGENT_RUNS_BATCH_RECORDS": "4000", "AGENT_RUNS_STALL_S": "5", "AGENT_RUNS_SESSION_TIMEOUT_S": "30"}
GROWTH_MIB = 60  # what is fetched and kept is bounded, whatever the backlog
HEALTHY, UNHEALTHY = 200, 503


@pytest.mark.slow
@pytest.mark.timeout(int(MINUTES * 60 + 3 * DRAIN_S))
async def test_an_outage_of_postgresql_leaves_no_letter_and_drains_by_itself(
    scene_of_mortal_postgres: Scene, mortal_postgres: PostgreSQL, seed: int
) -> None:
    # Given two consumers that share the partitions, at work,
    scene = scene_of_mortal_postgres
    ports = [free_port(), free_port()]
    consumers = []
    for port in ports:
        consumers.append(scene.start(AGENT_RUNS_HTTP_PORT=str(port), **SETTINGS))
        await consumers[-1].consumes()
    await consumers[0].says("Partitions assigned", times=2)
    async with load(scene, seed):
        await scene.stores_more(1_000)
        before = [(_assignments(consumer), consumer.peak_mib) for consumer in consumers]
        # when PostgreSQL is down for minutes, while records keep coming,
        await asyncio.to_thread(mortal_postgres.kill)
        ends_at = monotonic() + MINUTES * 60
        await until(lambda: _all_are(UNHEALTHY, ports), "the outage is told by the consumers' health")
        await asyncio.sleep(ends_at - monotonic())  # the length is the experiment: nothing is waited for
        # then nobody has given up, left the group, or filled their memory with what came,
        assert await _all_are(UNHEALTHY, ports)
        for consumer, (assignments, peak_mib) in zip(consumers, before, strict=True):
            assert (consumer.alive, _assignments(consumer)) == (True, assignments)
            print(f"from {peak_mib:.0f} to {consumer.peak_mib:.0f} MiB")
            assert consumer.peak_mib < peak_mib + GROWTH_MIB
        await asyncio.to_thread(mortal_postgres.start)
        back_at = monotonic()
        await scene.drained(DRAIN_S)
        print(f"{await scene.stored()} records, drained {monotonic() - back_at:.1f} s after PostgreSQL was back")
    # and when it is back, they catch up by themselves, no record is blamed for it, and each is in one place.
    await scene.drained()
    await until(lambda: _all_are(HEALTHY, ports), "all is well again")
    await scene.assert_in_order()
    assert not (await scene.tables()).dead_letters
    for consumer in consumers:
        await consumer.terminated()


def _assignments(consumer: ConsumerProcess) -> int:
    return consumer.output.count("Partitions assigned")


async def _all_are(status: int, ports: list[int]) -> bool:
    return {(await health(port))[0] for port in ports} == {status}
