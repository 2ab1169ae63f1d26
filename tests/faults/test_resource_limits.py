"""A process that gets less of something than it needs, or is told another time than it was."""

from random import Random

from tests.checker import check
from tests.support.scene import Scene
from tests.support.waiting import until
from tests.support.workloads.background import load
from tests.support.workloads.troubled import bulky

HOUR_S = 3600
RECORDS = 6_000
LARGE_BATCHES = {"AGENT_RUNS_BATCH_RECORDS": "4000"}


async def test_a_clock_that_is_set_by_hours_concerns_nobody(scene: Scene, seed: int) -> None:
    # Given a consumer at work, when its clock jumps an hour ahead, and then two hours back,
    async with load(scene, seed):
        consumer = scene.start(fault=f"CLOCK={HOUR_S} after fetch 2; CLOCK=-{2 * HOUR_S} after fetch 6")
        await consumer.says("Injected fault", times=2)
        await scene.stores_more(500)
    # then it works on as if nothing had happened,
    await scene.drained()
    await consumer.terminated()
    assert consumer.output.count("Partitions assigned") == 1
    assert "warning" not in consumer.output
    # and no time in the tables is of its clock: they are what the log says.
    await scene.assert_in_order()


async def test_64_open_files_are_enough_and_without_any_left_a_consumer_waits_and_can_be_stopped(
    scene: Scene, seed: int
) -> None:
    # Given a consumer that may have 64 files open, and later none but those that it has,
    async with load(scene, seed):
        consumer = scene.start(fault="FILES=64 before fetch 1; FILES=8 after commit 20")
        await consumer.says("Injected fault: FILES=8")
        # when it loses its connections, and can't make others,
        await scene.terminate_backends()
        await consumer.says("Too many open files", times=3)
        # then it says so, and ends in good order when it is told to,
        await consumer.terminated()
    # and whoever comes next finds all that it left undone.
    await scene.consume()
    await scene.assert_in_order()


async def test_a_consumer_that_runs_out_of_memory_leaves_nothing_half_done(scene: Scene, rng: Random) -> None:
    # Given a consumer that gets next to no memory beside what it has, before it has written anything of its backlog,
    scene.publish(bulky(rng, RECORDS))
    consumer = scene.start(fault="MEMORY=2 after fetch 1", **LARGE_BATCHES)
    # when it runs out of it: whatever asks for more fails, and who fails is the client's business, or the codec's;
    await until(lambda: "MemoryError" in consumer.output or not consumer.alive, "it runs out of memory")
    # and is ended as the kernel would have done it by now,
    consumer.kill()
    scene.consumers.remove(consumer)  # its tracebacks are no surprise
    violations = await check(scene.servers.bootstrap_servers, scene.topic, scene.database, finished=False)
    assert not violations, violations
    # then whoever has enough finishes its work, and no record was blamed.
    await scene.consume()
    await scene.assert_in_order()
    assert not (await scene.tables()).dead_letters
