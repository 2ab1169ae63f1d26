"""Consumers that end without leaving their group are removed by the others, and no others are.

The session timeout is longer than a takeover may take here. So a partition that is consumed again has been reassigned
because another consumer removed the member.
"""

from time import monotonic

import pytest

from agent_runs.settings import KafkaSettings
from consumer.kafka.group_members import GroupMembers
from consumer.settings import TopicConfig
from tests.support.consumer_process import ConsumerProcess
from tests.support.messages import events_of
from tests.support.proxy.proxy import DatabaseProxy
from tests.support.scene import PARTITIONS, Scene
from tests.support.waiting import until

SESSION_S = 60
TAKEOVER_S = 45.0  # about one second, on a machine that is not busy
RELOCK_S = 60  # a member that lost its session again locks its token after this time at the earliest


def start(scene: Scene, **settings: str) -> ConsumerProcess:
    """A consumer that logs which other consumers it watches."""
    logged = {"AGENT_RUNS_LOG_LEVEL": "debug", "AGENT_RUNS_LOG_FORMAT": "json"}
    return scene.start(**{"AGENT_RUNS_SESSION_TIMEOUT_S": str(SESSION_S), **logged, **settings})


def watched(consumer: ConsumerProcess) -> list[str]:
    """The ids of the members whose session the consumer has seen, in the order in which it saw them."""
    return [line["member"] for line in consumer.lines("group_watch")]


def removed(consumer: ConsumerProcess) -> list[str]:
    """The ids of the members that the consumer has removed."""
    return [line["member"] for line in consumer.lines("member_removed")]


async def wait_until_watched(watcher: ConsumerProcess, members: int) -> None:
    await until(lambda: len(watched(watcher)) >= members, f"{members} members are watched")


async def wait_until_removed(remover: ConsumerProcess, members: int) -> None:
    await until(lambda: len(removed(remover)) >= members, f"{members} members are removed")


async def member_ids(scene: Scene, members: int) -> set[str]:
    """The ids of the members, once the group has as many."""
    kafka = KafkaSettings(bootstrap_servers=scene.servers.bootstrap_servers)
    group = GroupMembers(kafka, TopicConfig(topic=scene.topic, group=scene.topic))
    found: set[str] = set()

    async def are_there() -> bool:
        found.clear()
        found.update(member.member_id for member in await group.read() or [])
        return len(found) == members

    await until(are_there, f"the group has {members} members")
    await group.close()
    return found


async def publish_everywhere(scene: Scene, event_id: str) -> None:
    """Publish an event to each partition."""
    for partition in range(PARTITIONS):
        await scene.publish(*events_of(f"run-{partition}", event_id, partition=partition))


@pytest.mark.parametrize("restarted", [False, True])
async def test_the_partitions_of_a_killed_consumer_are_consumed_long_before_its_session_timeout(
    scene: Scene, restarted: bool
) -> None:
    # Given two consumers,
    survivor, victim = start(scene), start(scene)
    await wait_until_watched(survivor, 1)
    # when one is killed, and perhaps started again at once,
    victim.kill()
    if restarted:
        start(scene)
    # then all partitions are consumed soon, because the other one has removed it from the group.
    await publish_everywhere(scene, "a")
    await scene.wait_until_drained(TAKEOVER_S)
    assert removed(survivor) == watched(survivor)[:1]
    await scene.assert_consistent(dead_letters=False)


async def test_a_frozen_consumer_is_left_to_its_session_timeout(scene: Scene) -> None:
    # Given two consumers, when one is frozen for longer than its session timeout,
    survivor, frozen = start(scene, AGENT_RUNS_SESSION_TIMEOUT_S="2"), start(scene, AGENT_RUNS_SESSION_TIMEOUT_S="2")
    await wait_until_watched(survivor, 1)
    frozen.freeze()
    await publish_everywhere(scene, "a")
    await scene.wait_until_drained()
    # then Kafka has removed it, and not the other one, because its session in PostgreSQL lives.
    assert removed(survivor) == []
    frozen.resume()


async def test_a_consumer_whose_connections_are_cut_repeatedly_is_removed_twice_at_most(scene: Scene) -> None:
    # Given a consumer, and another one that reaches PostgreSQL through a proxy,
    survivor = start(scene)
    async with DatabaseProxy(scene.database) as proxy:
        unlucky, began = start(scene, DATABASE_URL=proxy.database_url), monotonic()
        for outage in (1, 2):
            # when that one loses its connections, then it is removed, and is a member again at once;
            await wait_until_watched(survivor, outage)
            cut(proxy)
            await wait_until_removed(survivor, outage)
            await heal(scene, proxy, f"after-{outage}")
        # when it loses them a third time within a minute, then only another consumer that is killed now is removed,
        others = await member_ids(scene, 2)
        victim = start(scene)
        (victim_id,) = await member_ids(scene, 3) - others
        await until(lambda: victim_id in watched(survivor), "the new consumer is watched")
        cut(proxy)
        victim.kill()
        await until(lambda: victim_id in removed(survivor), "the killed consumer is removed")
        assert len(removed(survivor)) == 3 or monotonic() - began > RELOCK_S
        assert unlucky.alive
        # and the first one stores its share as soon as it can.
        await heal(scene, proxy, "end")
    await scene.assert_consistent(dead_letters=False)


def cut(proxy: DatabaseProxy) -> None:
    """End all sessions for PostgreSQL; their clients are not informed and cannot connect again."""
    proxy.reachable.clear()
    proxy.close_server_ends()


async def heal(scene: Scene, proxy: DatabaseProxy, event_id: str) -> None:
    """Let everything pass, and wait until all partitions are consumed."""
    proxy.heal()
    await publish_everywhere(scene, event_id)
    await scene.wait_until_drained()
