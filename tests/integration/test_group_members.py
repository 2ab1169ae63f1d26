"""`GroupMembers` reads who is in the consumer group, and which partitions each member has."""

from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer

from agent_runs.settings import KafkaSettings
from consumer.errors import Unavailable
from consumer.kafka.group_members import GroupMembers
from consumer.model.members import Member
from consumer.runtime.retrying import retry_while_unavailable
from consumer.settings import CLIENT_ID, TopicConfig
from tests.support.scene import MakeScene, Scene
from tests.support.waiting import until

PARTITIONS = 4


@pytest.fixture
async def scene(make_scene: MakeScene) -> Scene:
    return await make_scene(PARTITIONS)


@pytest.fixture
async def group(scene: Scene) -> AsyncIterator[GroupMembers]:
    kafka = KafkaSettings(bootstrap_servers=scene.servers.bootstrap_servers)
    members = GroupMembers(kafka, TopicConfig(topic=scene.topic, group=scene.topic))
    yield members
    await members.close()


async def read(group: GroupMembers) -> list[Member] | None:
    """Read the members; a broker that has just started may have no coordinator for the group yet."""
    return await retry_while_unavailable(group.read, "read the members", 30)


async def wait_for_members(group: GroupMembers, count: int) -> list[Member]:
    """Wait until the group is stable and has this many members."""
    members: list[Member] = []

    async def are_there() -> bool:
        members[:] = await read(group) or []
        return len(members) == count

    await until(are_there, f"the group has {count} members")
    return members


async def test_a_group_that_does_not_exist_has_no_members(group: GroupMembers) -> None:
    assert await read(group) == []


async def test_the_members_are_read_with_their_partitions_and_a_foreign_one_is_recognized(
    scene: Scene, group: GroupMembers
) -> None:
    # Given a consumer, and another application in its group,
    consumer = scene.start()
    await consumer.wait_until_assigned()
    foreign = AIOKafkaConsumer(
        scene.topic,
        bootstrap_servers=scene.servers.bootstrap_servers,
        group_id=scene.topic,
        client_id="reports",
    )
    await foreign.start()
    try:
        # when the members are read,
        ours, theirs = await wait_for_members(group, 2)
    finally:
        await foreign.stop()
    # then each has its share of the partitions, and only the consumer is one of Agent Runs.
    assert (ours.client_id, ours.is_consumer) == (CLIENT_ID, True)
    assert (theirs.client_id, theirs.is_consumer) == ("reports", False)
    assert ours.host == theirs.host == "127.0.0.1"
    assert [len(ours.partitions), len(theirs.partitions)] == [2, 2]
    assert ours.partitions | theirs.partitions == set(range(PARTITIONS))


async def test_a_broker_that_cannot_be_reached_is_unavailable() -> None:
    members = GroupMembers(KafkaSettings(bootstrap_servers="127.0.0.1:1"), TopicConfig())

    with pytest.raises(Unavailable):
        await members.read()
