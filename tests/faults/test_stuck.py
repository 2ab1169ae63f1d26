"""A consumer that stands still and does not know it: its health says so, and it gets on by itself."""

from random import Random

from deploy.local.ports import free_port
from tests.support.probe import is_healthy, is_unhealthy
from tests.support.scene import Scene
from tests.support.workloads.background import load
from tests.support.workloads.troubled import bulky

# How long nothing may move before a consumer is unhealthy, and its Kafka client taken for dead.
STALL = {"AGENT_RUNS_STALL_S": "1"}
SHORT_SESSION = {"AGENT_RUNS_SESSION_TIMEOUT_S": "1"}
RECORDS = 1_000


async def test_an_event_loop_that_is_blocked_past_the_session_is_unhealthy_and_its_work_is_refused(
    scene: Scene, rng: Random
) -> None:
    # Given a consumer whose event loop is blocked in mid transaction for longer than its session,
    scene.publish(bulky(rng, RECORDS))
    port = free_port()
    settings = {**STALL, **SHORT_SESSION, "AGENT_RUNS_HTTP_PORT": str(port)}
    blocked = scene.start(fault="BLOCK=4 before commit 2", **settings)
    await blocked.says("Injected fault")
    # when another one does all the work meanwhile,
    other = scene.start(**SHORT_SESSION)
    # then the first one's health is red, for that is asked of another thread,
    await is_unhealthy(port, "the consume loop has not run")
    await scene.drained(5)
    # and when its loop goes on, what it had begun is refused, it is given its share again, and it is healthy.
    await blocked.says("A batch was not stored")
    await blocked.says("Partitions assigned", times=2)
    scene.publish(bulky(rng, RECORDS))
    await scene.drained()
    await scene.assert_in_order()
    await is_healthy(port)
    for consumer in (blocked, other):
        await consumer.terminated()


async def test_a_fetch_that_fails_costs_nothing_and_a_client_that_falls_silent_is_made_anew(
    scene: Scene, seed: int
) -> None:
    # Given a Kafka client that loses what it has fetched, once, and later returns nothing any more,
    port = free_port()
    faults = "RAISE after getmany 2; SILENCE before getmany 20"
    async with load(scene, seed):
        consumer = scene.start(fault=faults, AGENT_RUNS_HTTP_PORT=str(port), **STALL)
        # when records keep coming,
        await consumer.says("Injected fault: SILENCE")
        # then its health goes red while nothing moves; the watch over it outlived the first fault,
        await is_unhealthy(port, "has made no progress")
        # and has another client made, by which it catches up.
        await consumer.says("The Kafka client no longer works; creating a new one")
        await scene.stores_more(100)
    await scene.drained()
    await scene.assert_in_order()
    await is_healthy(port)
    await consumer.terminated()


async def test_a_fetch_that_is_cancelled_by_nobody_does_not_end_the_consumer(scene: Scene, seed: int) -> None:
    # Given a Kafka client whose own troubles end a fetch as if we had cancelled it,
    async with load(scene, seed):
        consumer = scene.start(fault="CANCEL after getmany 2")
        await consumer.says("Injected fault")
        # then the consumer doesn't take that for an order to end.
        await scene.stores_more(200)
    await scene.drained()
    await scene.assert_in_order()
    await consumer.terminated()
