"""Consumers join, leave and are killed while records are published."""

from random import Random

from tests.support.scene import Scene
from tests.support.workloads.background import publishing

CHANGES = 6


async def test_consumers_that_join_leave_and_die_under_load_store_every_record_once(
    scene: Scene, rng: Random, seed: int
) -> None:
    # Given two consumers that share three partitions, under load,
    members = [scene.start(), scene.start()]
    for member in members:
        await member.wait_for_action("run")
    async with publishing(scene, seed):
        for change in range(CHANGES):
            # when one joins and another one is killed or leaves, repeatedly, while the group is still rebalancing,
            newcomer = scene.start()
            await newcomer.wait_for_action("run")
            await scene.wait_for_more(rng.randrange(200))
            leaver = members.pop(rng.randrange(len(members)))
            if change % 2:
                await leaver.terminate()
            else:
                leaver.kill()
            members.append(newcomer)
    # then the remaining ones store the rest, and every record is stored exactly once.
    await scene.wait_until_drained()
    await scene.assert_consistent(dead_letters=False)
    for member in members:
        await member.terminate()
