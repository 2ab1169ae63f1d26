"""A process without enough files or memory, or with a wall clock that jumps."""

from random import Random

from tests.checker import check
from tests.support.scene import Scene
from tests.support.waiting import until
from tests.support.workloads.background import publishing
from tests.support.workloads.mixed import large_events

HOUR_S = 3600
RECORDS = 6_000
AS_THE_TOPIC = {"AGENT_RUNS_MAX_EVENT_BYTES": "1000000"}  # below Kafka's default of `max.message.bytes`
LARGE_BATCHES = {"AGENT_RUNS_BATCH_RECORDS": "4000"}
# For a busy machine, on which shorter timeouts cause warnings and rebalances.
PATIENT = {f"AGENT_RUNS_{name}_TIMEOUT_S": "20" for name in ("CONNECT", "LOCK", "SESSION")}


async def test_a_clock_that_jumps_by_hours_has_no_effect(scene: Scene, seed: int) -> None:
    # Given a consumer under load, when its clock jumps an hour ahead, and then two hours back,
    async with publishing(scene, seed):
        faults = f"CLOCK={HOUR_S} after fetch 2; CLOCK=-{2 * HOUR_S} after fetch 6"
        consumer = scene.start(fault=faults, **AS_THE_TOPIC, **PATIENT)
        await consumer.wait_for_output("Injected fault", times=2)
        await scene.wait_for_more(500)
    # then it continues without a rebalance and without a warning,
    await scene.wait_until_drained()
    await consumer.terminate()
    assert consumer.count("assigned") == 1
    assert "warning" not in consumer.output
    # and the times in the tables come from the log, not from its clock.
    await scene.assert_consistent()


async def test_64_open_files_are_enough_and_without_a_free_one_a_consumer_waits(scene: Scene, seed: int) -> None:
    # Given a consumer that may open 64 files, and later none in addition to those that it has open,
    async with publishing(scene, seed):
        consumer = scene.start(fault="FILES=64 before fetch 1; FILES=8 after commit 20")
        await consumer.wait_for_output("Injected fault: FILES=8")
        # when it loses its connections and cannot open others,
        await scene.terminate_backends()
        await consumer.wait_for_output("Too many open files", times=3)
        # then it logs that, and can be stopped,
        await consumer.terminate()
    # and the next consumer stores the rest.
    await scene.run_until_end()
    await scene.assert_consistent()


async def test_a_consumer_without_memory_for_a_step_repeats_the_step_and_does_not_end(scene: Scene, seed: int) -> None:
    # Given a consumer under load, when it has too little memory in a fetch, in statements, in mid COPY and for COMMIT,
    steps = "after getmany 3", "before move_offsets 3", "before insert_events 5", "after chunk 7", "before commit 9"
    async with publishing(scene, seed):
        consumer = scene.start(fault="; ".join(f"NO_MEMORY {step}" for step in steps))
        await consumer.wait_for_output("Injected fault", times=len(steps))
        await scene.wait_for_more(200)
    # then the same process stores everything.
    await scene.wait_until_drained()
    await consumer.terminate()
    await scene.assert_consistent()


async def test_a_consumer_that_runs_out_of_memory_leaves_no_partial_transaction(scene: Scene, rng: Random) -> None:
    # Given a consumer that may allocate almost no memory beyond what it has, before it has stored its backlog,
    await scene.publish(*large_events(rng, RECORDS))
    consumer = scene.start(fault="MEMORY=2 after fetch 1", **LARGE_BATCHES)
    # when an allocation fails, in the client, the codec or elsewhere,
    await until(lambda: "MemoryError" in consumer.output or not consumer.alive, "it runs out of memory")
    # and the process is killed, as the kernel would by then,
    consumer.kill()
    scene.consumers.remove(consumer)  # its tracebacks are expected
    violations = await check(scene.servers.bootstrap_servers, scene.topic, scene.database, finished=False)
    assert not violations, violations
    # then a consumer with enough memory stores the rest, without dead letters.
    await scene.run_until_end()
    await scene.assert_consistent(dead_letters=False)
