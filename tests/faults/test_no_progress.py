"""A consumer that makes no progress: its health reports that, and it recovers without a restart."""

from random import Random
from signal import SIGUSR1

from deploy.local.ports import free_port
from tests.support.health import wait_until_healthy, wait_until_unhealthy
from tests.support.scene import Scene
from tests.support.workloads.background import publishing
from tests.support.workloads.mixed import large_events

# After this long without progress a consumer is unhealthy, and its Kafka client is replaced.
STALL = {"AGENT_RUNS_STALL_S": "1"}
SHORT_SESSION = {"AGENT_RUNS_SESSION_TIMEOUT_S": "1"}
RECORDS = 1_000


async def test_a_blocked_event_loop_is_unhealthy_and_its_work_is_refused(scene: Scene, rng: Random) -> None:
    # Given a consumer whose event loop is blocked in mid transaction for longer than its session,
    await scene.publish(*large_events(rng, RECORDS))
    port = free_port()
    settings = {**STALL, **SHORT_SESSION, "AGENT_RUNS_HTTP_PORT": str(port)}
    blocked = scene.start(fault="BLOCK_UNTIL_SIGUSR1 before commit 2", **settings)
    await blocked.wait_for_output("Injected fault")
    # when another consumer stores everything meanwhile,
    other = scene.start(**SHORT_SESSION)
    # then the first one is unhealthy: another thread answers for its health,
    await wait_until_unhealthy(port, "the consume loop has not run")
    await scene.wait_until_drained()
    # and when its loop continues, its transaction is refused, it gets its share of the partitions, and it is healthy.
    blocked.signal(SIGUSR1)
    await blocked.wait_for_action("batch_failed")
    await blocked.wait_for_action("assigned", times=2)
    await scene.publish(*large_events(rng, RECORDS))
    await scene.wait_until_drained()
    await scene.assert_consistent()
    await wait_until_healthy(port)
    for consumer in (blocked, other):
        await consumer.terminate()


async def test_a_failed_fetch_is_repeated_and_a_silent_client_is_replaced(scene: Scene, seed: int) -> None:
    # Given a Kafka client that once loses what it has fetched, and later returns nothing any more,
    port = free_port()
    # (The next client starts its partitions late, so that a busy machine sees the problem too.)
    faults = "RAISE after getmany 2; SILENCE before getmany 20; LATE=3 before offsets 2"
    async with publishing(scene, seed):
        consumer = scene.start(fault=faults, AGENT_RUNS_HTTP_PORT=str(port), **STALL)
        # when records keep arriving,
        await consumer.wait_for_output("Injected fault: SILENCE")
        # then the consumer is unhealthy while it makes no progress: its watchdog has survived the first fault,
        await wait_until_unhealthy(port, "has made no progress")
        # and replaces the client, with which the consumer catches up.
        await consumer.wait_for_action("source_broken")
        await scene.wait_for_more(100)
    await scene.wait_until_drained()
    await scene.assert_consistent()
    await wait_until_healthy(port)
    await consumer.wait_for_action("source_replaced")
    await consumer.terminate()


async def test_a_fetch_cancelled_by_the_client_does_not_end_the_consumer(scene: Scene, seed: int) -> None:
    # Given a Kafka client whose own error ends a fetch as if the consumer had cancelled it,
    async with publishing(scene, seed):
        consumer = scene.start(fault="CANCEL after getmany 2")
        await consumer.wait_for_output("Injected fault")
        # then the consumer does not exit.
        await scene.wait_for_more(200)
    await scene.wait_until_drained()
    await scene.assert_consistent()
    await consumer.terminate()
