"""PostgreSQL and Kafka crash and restart while records keep arriving."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from random import Random
from signal import SIGCONT, SIGQUIT, SIGSTOP

import pytest

from deploy.local import Kafka, PostgreSQL
from deploy.local.server import Server
from tests.support.scene import FAULT_SETTINGS, Scene
from tests.support.waiting import until
from tests.support.workloads.background import publishing
from tests.support.workloads.mixed import large_events

SESSION_S = float(FAULT_SETTINGS["AGENT_RUNS_SESSION_TIMEOUT_S"])
BATCH = int(FAULT_SETTINGS["AGENT_RUNS_BATCH_RECORDS"])
IMMEDIATE_STOPS = int(os.environ.get("AGENT_RUNS_TEST_IMMEDIATE_STOPS") or 50)


async def _kill(server: Server) -> None:
    await asyncio.to_thread(server.kill)


async def _stop_immediately(postgres: Server) -> None:
    """As `pg_ctl stop -m immediate` does: without a checkpoint, so the next start is a recovery."""
    assert postgres.pid is not None
    os.kill(postgres.pid, SIGQUIT)
    await until(lambda: postgres.pid is None, "PostgreSQL has stopped")
    await asyncio.to_thread(postgres.kill)  # only its supervisor is left


async def _assert_survives(
    scene: Scene, server: Server, crash: Callable[[Server], Awaitable[None]], times: int, rng: Random, seed: int
) -> None:
    # Given two consumers under load,
    consumers = [scene.start(), scene.start()]
    async with publishing(scene, seed):
        # when a server crashes repeatedly and is started again,
        for _ in range(times):
            await scene.wait_for_more(rng.randrange(300))
            await crash(server)
            await asyncio.to_thread(server.start)
    # then the consumers catch up by themselves, without dead letters, and every record is stored exactly once.
    await scene.wait_until_drained()
    await scene.assert_consistent(dead_letters=False)
    for consumer in consumers:
        await consumer.terminate()


async def test_consumers_continue_when_postgresql_is_killed_repeatedly_under_load(
    scene_on_killable_postgres: Scene, killable_postgres: PostgreSQL, rng: Random, seed: int
) -> None:
    await _assert_survives(scene_on_killable_postgres, killable_postgres, _kill, 4, rng, seed)


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_consumers_continue_when_postgresql_is_stopped_at_once_repeatedly_under_load(
    scene_on_killable_postgres: Scene, killable_postgres: PostgreSQL, rng: Random, seed: int
) -> None:
    await _assert_survives(scene_on_killable_postgres, killable_postgres, _stop_immediately, IMMEDIATE_STOPS, rng, seed)


async def test_consumers_continue_when_kafka_is_killed_repeatedly_under_load(
    scene_on_killable_kafka: Scene, killable_kafka: Kafka, rng: Random, seed: int
) -> None:
    await _assert_survives(scene_on_killable_kafka, killable_kafka, _kill, 2, rng, seed)


async def test_an_immediate_stop_of_postgresql_rolls_the_transaction_back(
    scene_on_killable_postgres: Scene, killable_postgres: PostgreSQL, rng: Random
) -> None:
    # Given a consumer that is frozen in the middle of its second transaction,
    scene = scene_on_killable_postgres
    await scene.publish(*large_events(rng, 300))
    consumer = scene.start(fault="SIGSTOP before commit 2", AGENT_RUNS_LANES="1", AGENT_RUNS_SESSION_TIMEOUT_S="20")
    await consumer.wait_until_frozen()
    stored = await scene.consumed_records()  # the first transaction
    assert 0 < stored <= BATCH
    # when PostgreSQL is stopped at once and recovers, and the consumer resumes,
    await _stop_immediately(killable_postgres)
    await asyncio.to_thread(killable_postgres.start)
    assert await scene.consumed_records() == stored  # and nothing of the second
    consumer.resume()
    # then it reads the outcome of the COMMIT, and writes the batch again.
    await consumer.wait_for_output("ConnectionLost")
    await scene.wait_until_drained()
    await scene.assert_consistent(dead_letters=False)
    await consumer.terminate()


@pytest.mark.slow
async def test_consumers_continue_when_kafka_is_frozen_past_all_sessions_and_restarted(
    scene_on_killable_kafka: Scene, killable_kafka: Kafka, seed: int
) -> None:
    # Given two consumers under load,
    scene = scene_on_killable_kafka
    consumers = [scene.start(), scene.start()]
    async with publishing(scene, seed):
        await scene.wait_for_more()
        # when the broker is frozen for longer than their sessions last, and resumed,
        assert killable_kafka.pid is not None
        os.kill(killable_kafka.pid, SIGSTOP)
        await asyncio.sleep(2 * SESSION_S)  # the duration is under test: there is nothing to wait for
        os.kill(killable_kafka.pid, SIGCONT)
        # then they continue;
        await scene.wait_for_more(100)
        # and when it is stopped in order and started again, as for an upgrade, they continue as well.
        await asyncio.to_thread(killable_kafka.stop)
        await asyncio.to_thread(killable_kafka.start)
        await scene.wait_for_more(100)
    await scene.wait_until_drained()
    await scene.assert_consistent(dead_letters=False)
    for consumer in consumers:
        await consumer.terminate()
