"""Connections to PostgreSQL that end, or fall silent, in the middle of a transaction."""

import struct
from random import Random

import psutil
import pytest

from tests.support.proxy.proxy import DatabaseProxy, Fate
from tests.support.scene import Scene
from tests.support.waiting import until
from tests.support.workloads.background import publishing
from tests.support.workloads.mixed import mixed

TERMINATIONS = 12
CANCEL = struct.pack(">ii", 16, 80877102)  # PostgreSQL's protocol: how a cancel request begins
COPY_DATA = b"d"
LOST = "ConnectionLost('no answer within 1 s')"
ROUNDS = 2


async def test_consumers_continue_when_backends_are_terminated_at_random_under_load(
    scene: Scene, rng: Random, seed: int
) -> None:
    # Given two consumers under load,
    consumers = [scene.start(), scene.start()]
    async with publishing(scene, seed):
        # when all their backends are terminated repeatedly, anywhere in a transaction,
        for _ in range(TERMINATIONS):
            await scene.wait_for_more(rng.randrange(1, 100))
            await scene.terminate_backends()
    # then they continue over new connections, and every record is in one place.
    await scene.wait_until_drained()
    await scene.assert_consistent(dead_letters=False)
    for consumer in consumers:
        await consumer.terminate()


@pytest.mark.parametrize("fate", [Fate.REQUEST_LOST, Fate.ANSWER_LOST])
async def test_a_commit_without_an_answer_has_one_effect_whether_it_happened_or_not(
    scene: Scene, rng: Random, fate: Fate
) -> None:
    # Given a connection that is cut at every second COMMIT: before the request, or before the answer,
    await scene.publish(*mixed(rng, 1_500))
    async with DatabaseProxy(scene.database) as proxy:
        proxy.fates.extend([Fate.PASSES, fate] * 20)
        # when a consumer writes through it,
        consumer = scene.start("--until-end", DATABASE_URL=proxy.database_url)
        assert await consumer.wait_for_exit() == 0, consumer.output
        assert not proxy.fates
    # then every record is in one place, and the consumer has read the outcome of each COMMIT before the next attempt.
    await scene.assert_consistent()
    assert consumer.output.count("ConnectionLost") == 20
    assert "StaleOffsets" not in consumer.output


class SilentInCopy(DatabaseProxy):
    """Becomes a black hole at the next chunk of COPY data while it is armed.

    Attributes:
        cancels: the number of cancel requests that clients have sent.
    """

    def __init__(self, database_url: str) -> None:
        super().__init__(database_url)
        self.fates.append(Fate.PASSES)  # while a fate is left, `is_write` is called for every chunk
        self.armed = False
        self.cancels = 0

    def is_write(self, data: bytes) -> bool:
        self.cancels += data.startswith(CANCEL)
        if self.armed and data.startswith(COPY_DATA):
            self.armed = False
            self.reachable.clear()
        return False


async def test_a_connection_that_dies_in_mid_copy_is_given_up_without_cancelling_and_leaves_nothing_behind(
    scene: Scene, seed: int
) -> None:
    # Given a consumer under load,
    async with SilentInCopy(scene.database) as proxy:
        settings = {"AGENT_RUNS_LANES": "1", "AGENT_RUNS_DATABASE_TIMEOUT_S": "1"}
        consumer = scene.start(DATABASE_URL=proxy.database_url, **settings)
        async with publishing(scene, seed):
            await scene.wait_for_more(100)
            sockets = _sockets(consumer.pid)
            for _ in range(ROUNDS):
                # when its connection falls silent in the middle of a COPY,
                lost, retries = consumer.output.count(LOST), consumer.count("wait")
                proxy.armed = True
                await until(lambda: not proxy.reachable.is_set(), "a COPY has started")
                # then it gives up that connection, and new ones that are not answered,
                await consumer.wait_for_output(LOST, times=lost + 1)
                await consumer.wait_for_action("wait", times=retries + 1)
                # and continues once PostgreSQL is reachable: it terminates its old backend, which still holds locks.
                proxy.reachable.set()
                await scene.wait_for_more(100)
        await scene.wait_until_drained()
        # It has sent no cancel request and keeps no socket.
        assert proxy.cancels == 0
        assert _sockets(consumer.pid) <= sockets
    await scene.assert_consistent(dead_letters=False)


def _sockets(pid: int) -> int:
    return len(psutil.Process(pid).net_connections())
