"""Consumers come and go, in good order or not, while records keep coming."""

from random import Random

from tests.support.scene import Scene
from tests.support.workloads.background import load

CHANGES = 6


async def test_consumers_that_join_leave_and_die_under_load_store_every_record_once(
    scene: Scene, rng: Random, seed: int
) -> None:
    # Given two consumers that share three partitions, under load,
    members = [scene.start(), scene.start()]
    for member in members:
        await member.says("Consuming")
    async with load(scene, seed):
        for change in range(CHANGES):
            # when again and again one joins, and another one dies or leaves, while the group is still being shared out,
            newcomer = scene.start()
            await newcomer.says("Consuming")
            await scene.stores_more(rng.randrange(200))
            leaver = members.pop(rng.randrange(len(members)))
            if change % 2:
                await leaver.terminated()
            else:
                leaver.kill()
            members.append(newcomer)
    # then those that are left store the rest, and every record is in one place.
    await scene.drained()
    await scene.assert_in_order()
    assert not (await scene.tables()).dead_letters
    for member in members:
        await member.terminated()
