"""Connections to PostgreSQL that end, or stop answering, in the middle of a transaction."""

import struct
from random import Random

import psutil
import pytest

from tests.support.proxy.proxy import DatabaseProxy, WriteFault
from tests.support.scene import Scene
from tests.support.waiting import until
from tests.support.workloads.background import publishing
from tests.support.workloads.mixed import mixed

TERMINATIONS = 12
CANCEL = struct.pack(">ii", 16, 80877102)  # PostgreSQL's protocol: how a cancel request begins
COPY_DATA = b"d"
LOST = "ConnectionLost('no answer within 2 s')"
CONNECTIONS = 4  # of a consumer with one lane: of the lane, and of the tasks that watch partitions, group and topic
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
    # then they continue over new connections, and every record is stored exactly once, as an event or a repeat.
    await scene.wait_until_drained()
    await scene.assert_consistent(dead_letters=False)
    for consumer in consumers:
        await consumer.terminate()


@pytest.mark.parametrize("fault", [WriteFault.REQUEST_LOST, WriteFault.ANSWER_LOST])
async def test_a_commit_without_an_answer_has_one_effect_whether_it_happened_or_not(
    scene: Scene, rng: Random, fault: WriteFault
) -> None:
    # Given a connection that is cut at every second one of the first 40 COMMITs, before the request or the answer,
    await scene.publish(*mixed(rng, 1_500))
    async with DatabaseProxy(scene.database) as proxy:
        proxy.next_write_faults.extend([WriteFault.PASSES, fault] * 20)
        # when a consumer writes through it,
        consumer = scene.start("--until-end", DATABASE_URL=proxy.database_url)
        assert await consumer.wait_for_exit() == 0, consumer.output
        assert not proxy.next_write_faults
    # then every record is stored exactly once, and the consumer has read each COMMIT's outcome before the next attempt.
    await scene.assert_consistent()
    assert consumer.output.count("ConnectionLost") == 20
    assert "StaleOffsets" not in consumer.output


class SilentInCopy(DatabaseProxy):
    """Passes nothing on from the next chunk of COPY data after `stops_at_copy` is set.

    Attributes:
        stops_at_copy: reset at that chunk, when `reachable` is cleared.
        cancel_requests: how many clients have sent.
    """

    def __init__(self, database_url: str) -> None:
        super().__init__(database_url)
        # `is_write` is called for a chunk only while this queue is not empty.
        self.next_write_faults.append(WriteFault.PASSES)
        self.stops_at_copy = False
        self.cancel_requests = 0

    def is_write(self, data: bytes) -> bool:
        self.cancel_requests += data.startswith(CANCEL)
        if self.stops_at_copy and data.startswith(COPY_DATA):
            self.stops_at_copy = False
            self.reachable.clear()
        return False


async def test_a_connection_that_stops_answering_in_mid_copy_is_closed_without_a_cancel_request(
    scene: Scene, seed: int
) -> None:
    # Given a consumer under load,
    async with SilentInCopy(scene.database) as proxy:
        settings = {"AGENT_RUNS_LANES": "1", "AGENT_RUNS_DATABASE_TIMEOUT_S": "2"}
        consumer = scene.start(DATABASE_URL=proxy.database_url, **settings)
        async with publishing(scene, seed):
            await scene.wait_for_more(100)
            for _ in range(ROUNDS):
                # when its connection stops answering in the middle of a COPY,
                lost, retries = consumer.output.count(LOST), consumer.count("wait")
                proxy.stops_at_copy = True
                await until(lambda: not proxy.reachable.is_set(), "a COPY has started")
                # then it closes that connection, and new ones that are not answered,
                await consumer.wait_for_output(LOST, times=lost + 1)
                await consumer.wait_for_action("wait", times=retries + 1)
                # and continues once PostgreSQL is reachable.
                proxy.reachable.set()
                await scene.wait_for_more(100)
        await scene.wait_until_drained()
        # The consumer has sent no cancel request, and has closed the connections that it has lost.
        assert proxy.cancel_requests == 0
        await until(lambda: _connections(consumer.pid, proxy.port) <= CONNECTIONS, "the lost connections are closed")
    await scene.assert_consistent(dead_letters=False)


def _connections(pid: int, port: int) -> int:
    """Return how many sockets of the process are connected to the port."""
    connections = psutil.Process(pid).net_connections("tcp")
    return sum(bool(each.raddr) and each.raddr.port == port for each in connections)
