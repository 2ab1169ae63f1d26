"""The probes `/livez`, `/readyz` and `/healthz` with a blocked event loop, without PostgreSQL, and with a halt."""

from random import Random

from deploy.local import PostgreSQL
from deploy.local.ports import free_port
from tests.support.consumer_process import ConsumerProcess
from tests.support.health import health, wait_for_probe
from tests.support.messages import events_of
from tests.support.scene import Scene
from tests.support.servers.topics import delete_records_before
from tests.support.workloads.mixed import large_events

STALL_S = 2.0


def start(scene: Scene, fault: str = "", **settings: str) -> tuple[ConsumerProcess, int]:
    """A consumer, and the port of its probes."""
    port = free_port()
    probed = {"AGENT_RUNS_HTTP_PORT": str(port), "AGENT_RUNS_STALL_S": f"{STALL_S:g}"}
    return scene.start(fault=fault, **probed, **settings), port


async def test_a_blocked_event_loop_is_neither_live_nor_ready(scene: Scene, rng: Random) -> None:
    await scene.publish(*large_events(rng, 200))
    _, port = start(scene, fault=f"BLOCK={STALL_S + 60:g} before commit 2")

    await wait_for_probe(port, "/livez", 503, "the event loop has been blocked for")
    assert (await health(port, "/readyz"))[0] == 503
    assert (await health(port, "/healthz"))[0] == 503


async def test_without_postgresql_a_consumer_is_live_and_not_ready_until_postgresql_is_back(
    scene_on_killable_postgres: Scene, killable_postgres: PostgreSQL
) -> None:
    # Given a consumer that starts while PostgreSQL is down,
    scene = scene_on_killable_postgres
    killable_postgres.kill()
    consumer, port = start(scene)
    # then it is not ready, because it is not a member of its group, and a restart would not help,
    await wait_for_probe(port, "/readyz", 503, "this consumer is not a member of its group")
    await wait_for_probe(port, "/livez", 200, "ok")
    # and it becomes ready without a restart.
    killable_postgres.start()
    await wait_for_probe(port, "/readyz", 200)
    await wait_for_probe(port, "/healthz", 200)
    # When PostgreSQL goes down while there is a record to store, then the consumer is live, but soon not ready.
    killable_postgres.kill()
    await scene.publish(*events_of("run", "a"))
    await wait_for_probe(port, "/readyz", 503, "partition 0 has made no progress")
    await wait_for_probe(port, "/livez", 200, "ok")
    killable_postgres.start()
    await wait_for_probe(port, "/readyz", 200)
    await consumer.terminate()


async def test_a_halted_partition_is_unhealthy_and_the_consumer_is_live_and_ready(scene: Scene) -> None:
    await scene.publish(*events_of("run", "a"))
    await scene.consume()
    await scene.publish(*events_of("run", "b", "c"))
    await delete_records_before(scene.servers.bootstrap_servers, scene.topic, 2)
    consumer, port = start(scene)

    await wait_for_probe(port, "/healthz", 503, "partition 0 is halted")
    await wait_for_probe(port, "/readyz", 200)
    await wait_for_probe(port, "/livez", 200, "ok")
    assert (await health(port, "/other"))[0] == 404
    await consumer.terminate()
