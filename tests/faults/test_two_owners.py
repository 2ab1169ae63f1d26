"""Two consumers that both believe that every partition is theirs: whoever comes first, every record is stored once."""

from random import Random

from tests.support.scene import Scene
from tests.support.workloads.background import load
from tests.support.workloads.troubled import troubled

# What a rolling upgrade may change under a running consumer, beside the group's name.
OTHERWISE = {"AGENT_RUNS_BATCH_RECORDS": "7", "AGENT_RUNS_LANES": "3", "AGENT_RUNS_FETCH_BYTES": "4096"}


async def test_two_groups_on_one_database_are_fenced_and_store_every_record_once(
    scene: Scene, rng: Random, seed: int
) -> None:
    # Given two consumers in two groups, so that Kafka gives every partition to both, each with settings of its own,
    consumers = [scene.start(), scene.start(AGENT_RUNS_GROUP=f"{scene.topic}-other", **OTHERWISE)]
    for consumer in consumers:
        await consumer.consumes()
    # when records come, among them repeats, conflicts and bad ones,
    async with load(scene, seed):
        for _ in range(5):
            scene.publish(troubled(rng, 300))
            await scene.stores_more(300)
    # then each record is in one place, although both were after it: who came too late was told, and went on behind it.
    await scene.drained()
    await scene.assert_in_order()
    assert any("StaleOffsets" in consumer.output for consumer in consumers)
    for consumer in consumers:
        await consumer.terminated()
