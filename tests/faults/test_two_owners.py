"""Two consumers that both own every partition: whichever writes first, every record is stored once."""

from random import Random

from tests.support.scene import Scene
from tests.support.workloads.background import publishing
from tests.support.workloads.mixed import mixed

# What a rolling upgrade may change for one of two consumers, in addition to the group's name.
OTHER_SETTINGS = {"AGENT_RUNS_BATCH_RECORDS": "7", "AGENT_RUNS_LANES": "3", "AGENT_RUNS_FETCH_BYTES": "4096"}


async def test_two_groups_on_one_database_are_fenced_and_store_every_record_once(
    scene: Scene, rng: Random, seed: int
) -> None:
    # Given two consumers with different settings in two groups, so that Kafka assigns every partition to both,
    consumers = [scene.start(), scene.start(AGENT_RUNS_GROUP=f"{scene.topic}-other", **OTHER_SETTINGS)]
    for consumer in consumers:
        await consumer.wait_until_assigned()
    # when records arrive, among them repeats, conflicts and invalid ones,
    async with publishing(scene, seed):
        for _ in range(5):
            await scene.publish(*mixed(rng, 300))
            await scene.wait_for_more(300)
    # then each record is stored once, although both tried to; the later one was refused and continued after it.
    await scene.wait_until_drained()
    await scene.assert_consistent()
    assert any("StaleOffsets" in consumer.output for consumer in consumers)
    for consumer in consumers:
        await consumer.terminate()
