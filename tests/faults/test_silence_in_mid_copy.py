"""The wire to PostgreSQL goes dead in the middle of a COPY, and whoever would cancel it finds nobody either."""

import struct

import psutil

from tests.support.proxy.proxy import DatabaseProxy, Fate
from tests.support.scene import Scene
from tests.support.waiting import until
from tests.support.workloads.background import load

CANCEL = struct.pack(">ii", 16, 80877102)  # PostgreSQL's protocol: how a request to cancel begins
COPY_DATA = b"d"
LOST = "ConnectionLost('no answer within 1 s')"
ROUNDS = 2


class FallsSilentInCopy(DatabaseProxy):
    """Passes nothing on from the next piece of a COPY on, when it is armed.

    Attributes:
        cancels: requests to cancel that somebody has made.
    """

    def __init__(self, database_url: str) -> None:
        super().__init__(database_url)
        self.fates.append(Fate.PASSES)  # so that it is asked about everything
        self.armed = False
        self.cancels = 0

    def changes(self, data: bytes) -> bool:
        self.cancels += data.startswith(CANCEL)
        if self.armed and data.startswith(COPY_DATA):
            self.armed = False
            self.audible.clear()
        return False


async def test_a_wire_that_dies_in_mid_copy_is_given_up_without_cancelling_and_leaves_nothing_behind(
    scene: Scene, seed: int
) -> None:
    # Given a consumer at work,
    async with FallsSilentInCopy(scene.database) as proxy:
        settings = {"AGENT_RUNS_LANES": "1", "AGENT_RUNS_DATABASE_TIMEOUT_S": "1"}
        consumer = scene.start(DATABASE_URL=proxy.database_url, **settings)
        async with load(scene, seed):
            await scene.stores_more(100)
            sockets = _sockets(consumer.pid)
            for _ in range(ROUNDS):
                # when its wire dies in the middle of a COPY, again and again,
                lost = consumer.output.count(LOST)
                proxy.armed = True
                await until(lambda: not proxy.audible.is_set(), "a COPY was begun")
                await consumer.says(LOST, times=lost + 1)
                # then it works on as soon as there is a wire,
                proxy.audible.set()
                await scene.stores_more(100)
        await scene.drained()
        # and has asked nobody to cancel anything, nor kept what it gave up.
        assert proxy.cancels == 0
        assert _sockets(consumer.pid) <= sockets
    await scene.assert_in_order()
    assert not (await scene.tables()).dead_letters


def _sockets(pid: int) -> int:
    return len(psutil.Process(pid).net_connections())
