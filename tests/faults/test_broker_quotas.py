"""A broker's quota limits the bytes per second that the consumers fetch."""

from random import Random

from consumer.settings import CLIENT_ID
from deploy.local.ports import free_port
from tests.support.foreign_producer import foreign_producer, publish
from tests.support.health import wait_until_healthy
from tests.support.messages import Message, event
from tests.support.proxy.proxied_kafka import ProxiedKafka
from tests.support.scene import PARTITIONS, Scene
from tests.support.servers.quotas import FETCH_RATE, byte_quota
from tests.support.waiting import until

ONE_RECORD_A_BATCH: dict[str, str | int | bool] = {"compression.type": "none", "batch.num.messages": 1}
RECORD_BYTES = 10_000
RECORDS = 99
BYTES_PER_S = 100_000  # so the broker admits 20 records in a fetch (2 s, see ProxiedKafka), and needs 10 s for all
SOME = 30
# For a busy machine.
SETTINGS = {
    "AGENT_RUNS_SESSION_TIMEOUT_S": "20",
    "AGENT_RUNS_CONNECT_TIMEOUT_S": "20",
    "AGENT_RUNS_LOCK_TIMEOUT_S": "20",
}


async def test_a_throttled_consumer_makes_steady_progress_in_all_partitions_and_stays_a_member(
    scene_on_killable_kafka: Scene, killable_kafka: ProxiedKafka, rng: Random
) -> None:
    scene, port = scene_on_killable_kafka, free_port()
    # Given partitions with unread records that take the quota of many seconds,
    data = rng.randbytes(RECORD_BYTES // 2).hex()
    numbers = [(number, number % PARTITIONS) for number in range(RECORDS)]
    messages = [Message(b"run-%d" % where, event(f"e{number}", data=data), where) for number, where in numbers]
    publish(foreign_producer(killable_kafka.bootstrap_servers, **ONE_RECORD_A_BATCH), scene.topic, messages)
    async with byte_quota(killable_kafka.bootstrap_servers, CLIENT_ID, FETCH_RATE, BYTES_PER_S):
        # when a consumer stores them,
        consumer = scene.start(**SETTINGS, AGENT_RUNS_HTTP_PORT=str(port))
        offsets: dict[int, int] = {}

        async def some_are_stored() -> bool:
            offsets.update(await scene.rows("SELECT partition, next_offset FROM consumer_offsets"))
            return sum(offsets.values()) >= SOME

        await until(some_are_stored, f"{SOME} records are stored")
        # then no partition takes the quota for itself,
        assert len(offsets) == PARTITIONS
        assert min(offsets.values()) >= SOME / PARTITIONS / 3
        await scene.wait_until_drained()
        # the consumer stays a member of its group with one client, its checks of the log do not fail, it is healthy,
        counts = {action: consumer.count(action) for action in ("assigned", "source_broken", "wait")}
        assert counts == {"assigned": 1, "source_broken": 0, "wait": 0}
        await wait_until_healthy(port)
        # and its log says why it is slow.
        assert consumer.count("throttled") == 1
        await consumer.terminate()
