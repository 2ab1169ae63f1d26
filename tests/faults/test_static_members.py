"""Static members (AGENT_RUNS_GROUP_INSTANCE_ID): a restart keeps the partitions, and an id is for one process."""

import time

from tests.support.consumer_process import ConsumerProcess
from tests.support.messages import events_of
from tests.support.scene import PARTITIONS, Scene
from tests.support.waiting import until


def start(scene: Scene, instance_id: str) -> ConsumerProcess:
    return scene.start(AGENT_RUNS_GROUP_INSTANCE_ID=instance_id, AGENT_RUNS_SESSION_TIMEOUT_S="60")


async def publish_everywhere(scene: Scene, event_id: str) -> None:
    """Publish an event to each partition."""
    for partition in range(PARTITIONS):
        await scene.publish(*events_of(f"run-{partition}", event_id, partition=partition))


async def test_a_static_member_that_restarts_keeps_its_partitions_without_a_rebalance(scene: Scene) -> None:
    # Given two static members,
    other = start(scene, "other")
    await other.wait_until_assigned()
    first = start(scene, "restarted")
    await first.wait_until_assigned()
    await other.wait_for_action("assigned", times=2)
    # when one of them ends and starts again, twice: after SIGTERM, and after SIGKILL,
    await first.terminate()
    second = start(scene, "restarted")
    await second.wait_until_assigned()
    second.kill()
    third = start(scene, "restarted")
    await third.wait_until_assigned()
    # then its partitions are consumed again, and the other one has kept its own throughout.
    await publish_everywhere(scene, "b")
    await scene.wait_until_drained()
    assert other.count("assigned") == 2
    await scene.assert_consistent(dead_letters=False)


async def test_of_two_processes_with_one_instance_id_the_first_ends_with_exit_code_2(scene: Scene) -> None:
    # Given a static member,
    first = start(scene, "same")
    await first.wait_until_assigned()
    began = int(time.time())
    await until(lambda: int(time.time()) > began, "the next process starts in another second")
    # when a process with the same id starts, then the first one ends and names the setting,
    second = start(scene, "same")
    assert await first.wait_for_exit() == 2
    assert "error: AGENT_RUNS_GROUP_INSTANCE_ID='same'" in first.output
    # and the second one consumes.
    await publish_everywhere(scene, "a")
    await scene.wait_until_drained()
    await second.terminate()
    await scene.assert_consistent(dead_letters=False)
