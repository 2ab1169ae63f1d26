"""Three brokers: leaders and coordinators are killed, the whole cluster is down, an election loses records.

The slow form of what `test_servers_killed` does to one broker.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import monotonic
from uuid import uuid4

import pytest

from deploy.local.ports import free_port
from tests.checker import read_log
from tests.support.health import wait_until_healthy, wait_until_unhealthy
from tests.support.scene import FAULT_SETTINGS, PARTITIONS, Scene
from tests.support.servers import LOG_APPEND_TIME, MakeDatabase, Servers, create_topic
from tests.support.servers.cluster import Cluster
from tests.support.waiting import until
from tests.support.workloads.background import publishing
from tests.support.workloads.mixed import ordinary_events

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

# Longer than any timeout of the clients: aiokafka closes an idle connection after nine minutes.
OUTAGE_S = float(os.environ.get("AGENT_RUNS_TEST_OUTAGE_S") or 600)
# From the first broker that answers to the last record that is stored: metadata, the group, the backlog.
CATCH_UP_S = 60.0
UNCLEAN = {**LOG_APPEND_TIME, "unclean.leader.election.enable": "true", "min.insync.replicas": "1"}
DURABLE = {**LOG_APPEND_TIME, "min.insync.replicas": "2"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with TemporaryDirectory(prefix="agent-runs-tests-") as directory:
        cluster = Cluster(Path(directory))
        cluster.start()
        yield cluster
        cluster.kill()


@pytest.fixture
async def scene_on_cluster(
    servers: Servers, cluster: Cluster, make_database: MakeDatabase, tmp_path: Path
) -> AsyncIterator[Scene]:
    """A scene whose nodes a test may kill; they are up again for the next test. The test creates the topic."""
    cluster_servers = Servers(cluster.bootstrap_servers, servers.database_url)
    scene = Scene(
        cluster_servers, f"test-{uuid4().hex}", await make_database(), tmp_path, consumer_settings=FAULT_SETTINGS
    )
    yield scene
    if down := cluster.down:
        await asyncio.to_thread(cluster.start, *down)
    scene.stop_consumers()


async def test_consumers_continue_when_leaders_and_coordinators_are_killed_under_load(
    scene_on_cluster: Scene, cluster: Cluster, seed: int
) -> None:
    scene = scene_on_cluster
    await create_topic(cluster.bootstrap_servers, scene.topic, PARTITIONS, DURABLE, replicas=3)
    # Given two consumers under load,
    consumers = [scene.start(), scene.start()]
    async with publishing(scene, seed):
        for consumer in consumers:
            await consumer.wait_until_assigned()
        for find_broker in (cluster.coordinator, cluster.leader) * 2:
            await scene.wait_for_more(100)
            # when their group's coordinator is killed, and then the leader of a partition,
            broker = await asyncio.to_thread(find_broker, scene.topic)  # the group has the name of the topic
            await asyncio.to_thread(cluster.kill, broker)
            # then the consumers continue with the rest of the cluster before the broker is started again,
            await scene.wait_for_more(500)
            await asyncio.to_thread(cluster.start, broker)
    # and every record is stored exactly once.
    await scene.wait_until_drained(CATCH_UP_S)
    await scene.assert_consistent(dead_letters=False)
    for consumer in consumers:
        await consumer.terminate()


async def test_consumers_wait_for_a_cluster_that_is_down_longer_than_any_timeout(
    scene_on_cluster: Scene, cluster: Cluster, seed: int
) -> None:
    scene, port = scene_on_cluster, free_port()
    await create_topic(cluster.bootstrap_servers, scene.topic, PARTITIONS, DURABLE, replicas=3)
    # Given two consumers under load,
    consumers = [scene.start(AGENT_RUNS_HTTP_PORT=str(port), AGENT_RUNS_STALL_S="10"), scene.start()]
    async with publishing(scene, seed):
        for consumer in consumers:
            await consumer.wait_until_assigned()
        await scene.wait_for_more(500)
    # when the whole cluster is down,
    await asyncio.to_thread(cluster.kill)
    await wait_until_unhealthy(port, "Kafka has not reported", OUTAGE_S)
    end_of_outage = monotonic() + OUTAGE_S
    await until(
        lambda: monotonic() >= end_of_outage or not all(consumer.alive for consumer in consumers),
        "the outage is over",
        OUTAGE_S + CATCH_UP_S,
    )
    for consumer in consumers:
        assert consumer.alive, consumer.output
    # then the same two processes continue by themselves soon after the cluster is started again.
    await asyncio.to_thread(cluster.start)
    await scene.publish(*islice(ordinary_events(Random(seed + 1)), 1_000))  # other events than `publishing` has sent
    await scene.wait_until_drained(CATCH_UP_S)
    await wait_until_healthy(port)
    await scene.assert_consistent()
    for consumer in consumers:
        await consumer.terminate()


async def test_an_election_that_loses_records_halts_the_partition_until_the_loss_is_accepted(
    scene_on_cluster: Scene, cluster: Cluster, rng: Random
) -> None:
    scene = scene_on_cluster
    await create_topic(cluster.bootstrap_servers, scene.topic, 1, UNCLEAN, replicas=2)
    events = ordinary_events(rng)
    await scene.publish(*islice(events, 300))
    consumer = scene.start()
    await scene.wait_until_drained()
    # Given a follower that was down while more records were published and stored,
    leader = await asyncio.to_thread(cluster.leader, scene.topic)
    (follower,) = cluster.replicas(scene.topic) - {leader}
    await asyncio.to_thread(cluster.kill, follower)
    await until(lambda: cluster.in_sync(scene.topic) == {leader}, "the follower is out of sync")
    await scene.publish(*islice(events, 200))
    await scene.wait_until_drained()
    before = await scene.tables()
    # when the leader is killed, and the follower, which lacks those records, is elected,
    await asyncio.to_thread(cluster.kill, leader)
    await asyncio.to_thread(cluster.start, follower)
    await until(lambda: cluster.leader(scene.topic) == follower, "the follower leads")
    # then the partition halts: the stored offset is past the end of the log,
    await consumer.wait_for_output("the log ends at offset 300, before the stored offset 500")
    # and stays halted when the log grows past the stored offset, because the record before it is another one,
    await scene.publish(*islice(events, 400))
    consumer_of_other_group = scene.start("--until-end", AGENT_RUNS_GROUP=f"{scene.topic}-other")
    assert await consumer_of_other_group.wait_for_exit() == 3
    assert "the record stored from offset 499 is no longer in the log" in consumer_of_other_group.output
    assert (await scene.tables()).events == before.events
    # and once an operator has accepted the loss, the new records are stored, and the 300 old ones are repeats.
    accepted = await scene.command("offsets", "accept-loss", "--partition", "0", "--by", "Ada")
    assert accepted.exit_code == 0, accepted.output
    await scene.wait_until_drained()
    after = await scene.tables()
    log = await asyncio.to_thread(read_log, cluster.bootstrap_servers, scene.topic)
    assert len(log.records) == 700
    assert len(after.events) == 900
    assert await scene.rows("SELECT repeats FROM consumer_offsets") == [(300,)]
    assert not after.dead_letters
    await consumer.terminate()
