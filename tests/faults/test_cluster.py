"""Three brokers: their leaders and coordinators die, all of them are away for long, an election loses records.

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
from tests.faults.conftest import PARTITIONS
from tests.support.probe import is_healthy, is_unhealthy
from tests.support.scene import Scene
from tests.support.servers import LOG_APPEND_TIME, MakeDatabase, Servers, create_topic
from tests.support.servers.cluster import Cluster
from tests.support.waiting import until
from tests.support.workloads.background import load
from tests.support.workloads.troubled import ordinary

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

# Longer than any timeout of the clients: aiokafka lets a connection idle for nine minutes.
OUTAGE_S = float(os.environ.get("AGENT_RUNS_TEST_OUTAGE_S") or 600)
# From the first broker that answers to the last record that was stored: metadata, the group, the backlog.
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
async def scene_of_cluster(
    servers: Servers, cluster: Cluster, make_database: MakeDatabase, tmp_path: Path
) -> AsyncIterator[Scene]:
    """All nodes are up again for the next test. The topic is the test's to make."""
    here = Servers(cluster.bootstrap_servers, servers.database_url)
    scene = Scene(here, f"test-{uuid4().hex}", await make_database(), tmp_path)
    yield scene
    for consumer in scene.consumers:
        consumer.kill()
    if down := cluster.down:
        await asyncio.to_thread(cluster.start, *down)


async def test_leaders_and_coordinators_that_die_under_load_cost_nothing(
    scene_of_cluster: Scene, cluster: Cluster, seed: int
) -> None:
    scene = scene_of_cluster
    await create_topic(cluster.bootstrap_servers, scene.topic, PARTITIONS, DURABLE, replicas=3)
    # Given two consumers at work,
    consumers = [scene.start(), scene.start()]
    async with load(scene, seed):
        for consumer in consumers:
            await consumer.consumes()
        for find, of in ((cluster.coordinator, scene.topic), (cluster.leader, scene.topic)) * 2:
            await scene.stores_more(100)
            # when the broker dies that they talk to about their group, and then one that they read from,
            victim = await asyncio.to_thread(find, of)
            await asyncio.to_thread(cluster.kill, victim)
            # then they go on with what is left of the cluster, before it is back,
            await scene.stores_more(500)
            await asyncio.to_thread(cluster.start, victim)
    # and every record is in one place.
    await scene.drained(CATCH_UP_S)
    await scene.assert_in_order()
    assert not (await scene.tables()).dead_letters
    for consumer in consumers:
        await consumer.terminated()


async def test_a_cluster_that_is_away_for_longer_than_any_timeout_is_waited_for(
    scene_of_cluster: Scene, cluster: Cluster, rng: Random, seed: int
) -> None:
    scene, port = scene_of_cluster, free_port()
    await create_topic(cluster.bootstrap_servers, scene.topic, PARTITIONS, DURABLE, replicas=3)
    # Given two consumers that have worked,
    consumers = [scene.start(AGENT_RUNS_HTTP_PORT=str(port), AGENT_RUNS_STALL_S="10"), scene.start()]
    async with load(scene, seed):
        for consumer in consumers:
            await consumer.consumes()
        await scene.stores_more(500)
    # when the whole cluster is away for long,
    await asyncio.to_thread(cluster.kill)
    await is_unhealthy(port, "Kafka has not reported", OUTAGE_S)
    await asyncio.sleep(OUTAGE_S)
    assert all(consumer.alive for consumer in consumers)
    # then, once it is back, the same two processes go on by themselves, and soon.
    await asyncio.to_thread(cluster.start)
    came_back = monotonic()
    scene.publish(islice(ordinary(rng), 1_000))
    await scene.drained(CATCH_UP_S)
    print(f"caught up {monotonic() - came_back:.1f} s after the cluster was back")
    await is_healthy(port)
    await scene.assert_in_order()
    for consumer in consumers:
        await consumer.terminated()


async def test_an_election_that_loses_records_halts_the_partition_and_what_is_accepted_is_stored_once(
    scene_of_cluster: Scene, cluster: Cluster, rng: Random
) -> None:
    scene = scene_of_cluster
    await create_topic(cluster.bootstrap_servers, scene.topic, 1, UNCLEAN, replicas=2)
    events = ordinary(rng)
    scene.publish(islice(events, 300))
    consumer = scene.start()
    await scene.drained()
    # Given a follower that was away while more was published, and stored,
    leader = await asyncio.to_thread(cluster.leader, scene.topic)
    (follower,) = cluster.replicas(scene.topic) - {leader}
    await asyncio.to_thread(cluster.kill, follower)
    await until(lambda: cluster.in_sync(scene.topic) == {leader}, "the follower is given up")
    scene.publish(islice(events, 200))
    await scene.drained()
    before = await scene.tables()
    # when the leader dies, and the follower, which knows nothing of that, is made the leader,
    await asyncio.to_thread(cluster.kill, leader)
    await asyncio.to_thread(cluster.start, follower)
    await until(lambda: cluster.leader(scene.topic) == follower, "the follower leads")
    # then the partition halts: what is stored is further than the log,
    await consumer.says("the log ends at offset 300, before the stored offset 500")
    # also when the log has grown past that: another record stands there,
    scene.publish(islice(events, 400))
    latecomer = scene.start("--until-end", AGENT_RUNS_GROUP=f"{scene.topic}-other")
    assert await latecomer.ended() == 3
    assert "the record stored from offset 499 is no longer in the log" in latecomer.output
    assert (await scene.tables()).events == before.events
    # and once an operator has accepted the loss, the rest is stored, and what was stored already is a repeat.
    await scene.command("offsets", "accept-loss", "--partition", "0", "--by", "Ada")
    await scene.drained()
    after = await scene.tables()
    log = await asyncio.to_thread(read_log, cluster.bootstrap_servers, scene.topic)
    assert len(log.records) == 700
    assert len(after.events) == 900
    assert not after.dead_letters
    await consumer.terminated()
