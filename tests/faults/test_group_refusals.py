"""The coordinator refuses a consumer: health and log say why, and the consumer recovers without a restart."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from aiokafka import AIOKafkaConsumer
from confluent_kafka import Consumer

from deploy.local.ports import free_port
from tests.support.consumer_process import ConsumerProcess
from tests.support.health import wait_until_healthy, wait_until_unhealthy
from tests.support.messages import events_of
from tests.support.scene import FAULT_SETTINGS, PARTITIONS, Scene
from tests.support.servers import LOG_APPEND_TIME, Servers, create_topic
from tests.support.servers.acls import refused_group
from tests.support.servers.authorizing_kafka import (
    MAX_GROUP_SIZE,
    MAX_SESSION_TIMEOUT_S,
    MIN_SESSION_TIMEOUT_S,
    AclOperation,
    AuthorizingKafka,
    ResourceType,
)


@pytest.fixture(scope="module")
def kafka() -> Iterator[AuthorizingKafka]:
    with TemporaryDirectory(prefix="agent-runs-tests-") as directory:
        server = AuthorizingKafka(Path(directory) / "kafka")
        with server:
            yield server
            server.kill()


@pytest.fixture
async def scene(servers: Servers, kafka: AuthorizingKafka, database: str, tmp_path: Path) -> AsyncIterator[Scene]:
    """A topic on a broker that checks ACLs; its consumers may do all that they need."""
    topic = f"test-{tmp_path.name}"
    await create_topic(kafka.bootstrap_servers, topic, PARTITIONS, LOG_APPEND_TIME)
    kafka.allow(ResourceType.TOPIC, topic, AclOperation.READ, AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS)
    kafka.allow(ResourceType.GROUP, topic, AclOperation.READ)
    servers_with_acls = Servers(kafka.bootstrap_servers, servers.database_url)
    settings = {**FAULT_SETTINGS, **kafka.login_settings}
    scene = Scene(servers_with_acls, topic, database, tmp_path, consumer_settings=settings)
    yield scene
    scene.stop_consumers()


def start(scene: Scene, **settings: str) -> tuple[ConsumerProcess, int]:
    """A consumer, and the port of its health."""
    port = free_port()
    return scene.start(**{"AGENT_RUNS_HTTP_PORT": str(port), **settings}), port


async def assert_stores(scene: Scene, port: int, event_id: str) -> None:
    """Require that a consumer is healthy, and that an event published now is stored."""
    await wait_until_healthy(port)
    await scene.publish(*events_of("run", event_id))
    await scene.wait_until_drained()


async def test_a_consumer_without_access_to_its_group_is_unhealthy_until_access_is_granted(
    scene: Scene, kafka: AuthorizingKafka
) -> None:
    # Given a group that the consumer may not read,
    await asyncio.to_thread(kafka.deny, ResourceType.GROUP, scene.topic)
    # when it starts, then health and log name the missing right,
    consumer, port = start(scene)
    await wait_until_unhealthy(port, f"grant this consumer READ on the group '{scene.topic}'")
    assert "GroupAuthorizationFailedError" in consumer.output
    # and when the right is granted, then the consumer works without a restart.
    await asyncio.to_thread(kafka.allow, ResourceType.GROUP, scene.topic, AclOperation.READ)
    await assert_stores(scene, port, "a")
    assert consumer.count("accepted") == 1


async def test_a_consumer_without_access_to_its_topic_at_its_start_is_unhealthy_until_access_is_granted(
    scene: Scene, kafka: AuthorizingKafka
) -> None:
    # Given a topic whose settings the consumer may not read,
    await asyncio.to_thread(kafka.deny, ResourceType.TOPIC, scene.topic)
    await asyncio.to_thread(kafka.allow, ResourceType.TOPIC, scene.topic, AclOperation.READ)
    # when it starts, then health and log name the missing rights,
    consumer, port = start(scene)
    await wait_until_unhealthy(port, f"DESCRIBE_CONFIGS on the topic '{scene.topic}'")
    assert consumer.count("refused") == 1
    # and when they are granted, then the consumer works without a restart.
    operations = (AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS)
    await asyncio.to_thread(kafka.allow, ResourceType.TOPIC, scene.topic, *operations)
    await assert_stores(scene, port, "a")
    assert consumer.count("accepted") == 1


@pytest.mark.parametrize(
    ("kind", "right"), [(ResourceType.GROUP, "READ on the group"), (ResourceType.TOPIC, "DESCRIBE on the topic")]
)
async def test_a_consumer_whose_access_is_revoked_is_unhealthy_until_access_is_granted_again(
    scene: Scene, kafka: AuthorizingKafka, kind: ResourceType, right: str
) -> None:
    # Given a consumer at work,
    _, port = start(scene)
    await assert_stores(scene, port, "a")
    # when a right is revoked, then health names it,
    await asyncio.to_thread(kafka.deny, kind, scene.topic)
    await wait_until_unhealthy(port, right)
    # and when it is granted again, then the consumer works without a restart.
    operations = (AclOperation.READ, AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS)
    await asyncio.to_thread(
        kafka.allow, kind, scene.topic, *operations if kind is ResourceType.TOPIC else operations[:1]
    )
    await assert_stores(scene, port, "b")


async def test_a_group_that_the_nemesis_refuses_is_refused_for_the_duration_of_the_block(scene: Scene) -> None:
    # Given a consumer at work, when its group is refused, then it is unhealthy; and afterwards it works again.
    _, port = start(scene)
    await assert_stores(scene, port, "a")
    async with refused_group(scene.servers.bootstrap_servers, scene.topic):
        await wait_until_unhealthy(port, "READ on the group")
    await assert_stores(scene, port, "b")


async def test_a_consumer_in_a_group_with_a_member_of_another_protocol_is_unhealthy_until_that_member_leaves(
    scene: Scene,
) -> None:
    # Given a group whose member uses an assignment protocol that the service does not have,
    other = Consumer(
        {
            "bootstrap.servers": scene.servers.bootstrap_servers,
            "group.id": scene.topic,
            "partition.assignment.strategy": "cooperative-sticky",
        }
    )
    other.subscribe([scene.topic])
    while not await asyncio.to_thread(other.assignment):
        await asyncio.to_thread(other.poll, 0.1)
    # when a consumer starts, then health names the group and the remedy,
    _, port = start(scene)
    await wait_until_unhealthy(port, "AGENT_RUNS_GROUP")
    # and when the other member leaves, then the consumer works without a restart.
    await asyncio.to_thread(other.close)
    await assert_stores(scene, port, "a")


async def test_another_application_that_takes_partitions_is_named_until_it_leaves(scene: Scene) -> None:
    # Given a consumer at work,
    # (With a long session, so that the group has no other rebalances on a busy machine.)
    settings = {"AGENT_RUNS_LOG_FORMAT": "json", "AGENT_RUNS_SESSION_TIMEOUT_S": "20"}
    consumer, port = start(scene, **settings)
    await assert_stores(scene, port, "a")
    # when another application joins its group with the same protocol,
    other = AIOKafkaConsumer(
        scene.topic,
        bootstrap_servers=scene.servers.bootstrap_servers,
        group_id=scene.topic,
        client_id="reports",
        session_timeout_ms=20_000,
    )
    await other.start()
    try:
        # then health and log name it and the partitions that it has taken,
        taken = sorted(partition for _, partition in other.assignment())
        assert taken
        await wait_until_unhealthy(port, f"client id 'reports' at 127.0.0.1 has partitions {taken}")
        await consumer.wait_for_action("foreign_member")  # logged after health has changed
        (line,) = consumer.lines("foreign_member")
        assert (line["client_id"], line["host"], line["partitions"]) == ("reports", "127.0.0.1", taken)
    finally:
        await other.stop()
    # and when it leaves, then the consumer stores all records again.
    await assert_stores(scene, port, "b")
    await consumer.wait_for_action("foreign_member_left")
    assert len(consumer.lines("foreign_member_left")) == 1


async def test_a_consumer_that_finds_its_group_full_is_unhealthy_until_a_member_leaves(scene: Scene) -> None:
    # Given as many members as the broker allows in a group,
    members = [start(scene) for _ in range(MAX_GROUP_SIZE)]
    for member, _ in members:
        await member.wait_until_assigned()
    # when another consumer starts, then its health names the setting of the broker,
    _, port = start(scene)
    await wait_until_unhealthy(port, "group.max.size")
    # and when a member ends, then the consumer takes its place.
    await members[0][0].terminate()
    await assert_stores(scene, port, "b")


@pytest.mark.parametrize("timeout_s", [MIN_SESSION_TIMEOUT_S / 2, MAX_SESSION_TIMEOUT_S * 2])
@pytest.mark.parametrize("arguments", [("run",), ("run", "--until-end")])
async def test_a_session_timeout_that_the_broker_refuses_ends_the_consumer_with_exit_code_2(
    scene: Scene, timeout_s: float, arguments: tuple[str, ...]
) -> None:
    await scene.publish(*events_of("run", "a"))
    settings = {**scene.consumer_settings, "AGENT_RUNS_SESSION_TIMEOUT_S": str(timeout_s)}

    finished = await scene.command(*arguments, **settings)

    assert finished.exit_code == 2, finished.output
    assert f"error: AGENT_RUNS_SESSION_TIMEOUT_S={timeout_s:g}" in finished.output
