"""A broker's quota limits the bytes per second that the consumers fetch."""

import asyncio
from random import Random

from consumer.settings import CLIENT_ID
from deploy.local.ports import free_port
from tests.support.foreign_producer import foreign_producer, publish
from tests.support.health import health, wait_until_healthy
from tests.support.messages import Message, event
from tests.support.proxy.proxied_kafka import ProxiedKafka
from tests.support.scene import PARTITIONS, Scene
from tests.support.servers.quotas import fetch_quota

SMALL_BATCHES: dict[str, str | int | bool] = {"compression.type": "none", "batch.num.messages": 2}
BYTES_PER_S = 100_000
RECORD_BYTES = 10_000
RECORDS = 100  # as many as the quota admits in 10 s, those of 2 s at once
# As if 2 s were 10: so long the partitions wait in turn for records, if each fetch takes all that the quota admits.
STALL_S = 4.0
DRAINED_WITHIN_S = 45.0


async def test_a_throttled_consumer_makes_steady_progress_in_all_partitions_and_stays_healthy(
    scene_on_killable_kafka: Scene, killable_kafka: ProxiedKafka, rng: Random
) -> None:
    scene, port = scene_on_killable_kafka, free_port()
    # Given partitions with unread records that take the quota of many seconds,
    producer = foreign_producer(killable_kafka.bootstrap_servers, **SMALL_BATCHES)
    pad = rng.randbytes(RECORD_BYTES // 2).hex()
    messages = (
        Message(b"run-%d" % (number % PARTITIONS), event(f"e{number}", data=pad), number % PARTITIONS)
        for number in range(RECORDS)
    )
    publish(producer, scene.topic, messages)
    async with fetch_quota(killable_kafka.bootstrap_servers, CLIENT_ID, BYTES_PER_S):
        # when a consumer stores them,
        settings = {"AGENT_RUNS_STALL_S": f"{STALL_S:g}", "AGENT_RUNS_HTTP_PORT": str(port)}
        consumer = scene.start(**settings)
        await wait_until_healthy(port)
        drained = asyncio.create_task(scene.wait_until_drained(DRAINED_WITHIN_S))
        # then it is never unhealthy, so no partition stands still for longer than `STALL_S`,
        while not drained.done():
            assert await health(port) == (200, "ok\n")
            await asyncio.wait({drained}, timeout=0.2)
        await drained
        # it stays a member of its group with one client, and its checks of the log do not fail;
        counts = {action: consumer.count(action) for action in ("assigned", "source_broken", "wait")}
        assert counts == {"assigned": 1, "source_broken": 0, "wait": 0}
        # and the log says why it is slow.
        assert consumer.count("throttled") == 1
        await consumer.terminate()
