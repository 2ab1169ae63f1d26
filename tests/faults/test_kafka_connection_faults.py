"""The connection between a consumer and Kafka goes dead or corrupts a response."""

from collections.abc import Callable
from itertools import islice
from random import Random

import pytest

from deploy.local.ports import free_port
from tests.support.foreign_producer import foreign_producer, publish
from tests.support.health import wait_until_healthy, wait_until_unhealthy
from tests.support.proxy.proxied_kafka import ProxiedKafka
from tests.support.proxy.proxy import Direction, KafkaProxy
from tests.support.scene import FAULT_SETTINGS, Scene
from tests.support.workloads.background import publishing
from tests.support.workloads.mixed import ordinary_events

STALL = {"AGENT_RUNS_STALL_S": "1"}
# As in test_sigterm: leaving a group that does not answer takes up to 10 s, and a busy machine delays the rest.
STOP_S = float(FAULT_SETTINGS["AGENT_RUNS_SHUTDOWN_TIMEOUT_S"]) + 25
RECORDS = 200


def _silence(proxy: KafkaProxy) -> None:
    proxy.reachable.clear()


def _half_open(proxy: KafkaProxy) -> None:
    proxy.reachable.clear()
    proxy.close_server_ends()


def _one_direction(proxy: KafkaProxy) -> None:
    proxy.blocked.add(Direction.TO_CLIENT)


@pytest.mark.parametrize(
    "break_connections",
    [
        _silence,
        pytest.param(_half_open, marks=pytest.mark.slow),
        pytest.param(_one_direction, marks=pytest.mark.slow),
    ],
)
async def test_a_consumer_survives_a_dead_connection_to_kafka_and_can_be_stopped_meanwhile(
    scene_on_killable_kafka: Scene,
    killable_kafka: ProxiedKafka,
    seed: int,
    break_connections: Callable[[KafkaProxy], None],
) -> None:
    scene, port = scene_on_killable_kafka, free_port()
    async with publishing(scene, seed), killable_kafka.proxy() as proxy:
        # Given two consumers that are connected through a proxy,
        settings = {"KAFKA_BOOTSTRAP_SERVERS": proxy.address, **STALL}
        stays = scene.start(AGENT_RUNS_HTTP_PORT=str(port), **settings)
        leaves = scene.start(**settings)
        for consumer in (stays, leaves):
            await consumer.wait_until_assigned()
        await scene.wait_for_more()
        # when their connections go dead without an error,
        break_connections(proxy)
        # then one of them can be stopped in time, and the other one is unhealthy;
        await leaves.terminate(STOP_S)
        await wait_until_unhealthy(port, "Kafka has not reported")
        # and when the connections work again, it catches up.
        proxy.reachable.set()
        proxy.blocked.clear()
        await scene.wait_for_more(200)
        await wait_until_healthy(port)
        await stays.terminate()
    await scene.run_until_end()
    await scene.assert_consistent()


async def test_a_corrupted_fetch_response_is_fetched_again(
    scene_on_killable_kafka: Scene, killable_kafka: ProxiedKafka, rng: Random
) -> None:
    # Given uncompressed records in many batches,
    scene = scene_on_killable_kafka
    settings: dict[str, str | int | bool] = {"compression.type": "none", "linger.ms": 0}
    producer = foreign_producer(killable_kafka.bootstrap_servers, **settings)
    publish(producer, scene.topic, islice(ordinary_events(rng), RECORDS))
    async with killable_kafka.proxy() as proxy:
        # when one byte is wrong in two of the responses to the consumer,
        proxy.corruptions = 2
        consumer = scene.start("--until-end", KAFKA_BOOTSTRAP_SERVERS=proxy.address)
        assert await consumer.wait_for_exit() == 0, consumer.output
        assert not proxy.corruptions
    # then the consumer detects it, fetches again, and stores what was sent.
    assert "CorruptRecord" in consumer.output
    await scene.assert_consistent()
