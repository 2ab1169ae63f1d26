"""The wire between a consumer and Kafka goes dead without a word, or says something else than it was told."""

from collections.abc import Callable
from itertools import islice
from random import Random

import pytest

from deploy.local.ports import free_port
from tests.support.foreign_producer import foreign_producer, publish
from tests.support.probe import is_healthy, is_unhealthy
from tests.support.proxy.proxied_kafka import WiredKafka
from tests.support.proxy.proxy import KafkaProxy, Way
from tests.support.scene import SETTINGS, Scene
from tests.support.workloads.background import load
from tests.support.workloads.troubled import ordinary

STALL = {"AGENT_RUNS_STALL_S": "1"}
STOP_S = float(SETTINGS["AGENT_RUNS_SHUTDOWN_TIMEOUT_S"]) + 10
RECORDS = 200


def _black_hole(proxy: KafkaProxy) -> None:
    proxy.audible.clear()


def _half_open(proxy: KafkaProxy) -> None:
    proxy.audible.clear()
    proxy.cut_servers_end()


def _one_direction(proxy: KafkaProxy) -> None:
    proxy.deaf.add(Way.BACK)


@pytest.mark.parametrize(
    "goes_dead",
    [
        _black_hole,
        pytest.param(_half_open, marks=pytest.mark.slow),
        pytest.param(_one_direction, marks=pytest.mark.slow),
    ],
)
async def test_a_consumer_outlives_a_dead_wire_to_kafka_and_can_be_stopped_meanwhile(
    scene_of_mortal_kafka: Scene, mortal_kafka: WiredKafka, seed: int, goes_dead: Callable[[KafkaProxy], None]
) -> None:
    scene, port = scene_of_mortal_kafka, free_port()
    async with load(scene, seed), mortal_kafka.wire() as proxy:
        # Given two consumers at work over one wire,
        wired = {"KAFKA_BOOTSTRAP_SERVERS": proxy.address, **STALL}
        stays = scene.start(AGENT_RUNS_HTTP_PORT=str(port), **wired)
        leaves = scene.start(**wired)
        for consumer in (stays, leaves):
            await consumer.consumes()
        await scene.stores_more()
        # when it goes dead, and neither of them is told,
        goes_dead(proxy)
        # then one that is told to end does so in time, and the other one's health is red;
        await leaves.terminated(STOP_S)
        await is_unhealthy(port, "Kafka has not reported")
        # and when the wire is back, it catches up by itself.
        proxy.audible.set()
        proxy.deaf.clear()
        await scene.stores_more(200)
        await is_healthy(port)
        await stays.terminated()
    await scene.consume()
    await scene.assert_in_order()


async def test_a_bit_that_falls_over_on_the_way_costs_a_second_fetch(
    scene_of_mortal_kafka: Scene, mortal_kafka: WiredKafka, rng: Random
) -> None:
    # Given records that go over the wire as they are, in many batches,
    scene = scene_of_mortal_kafka
    plain: dict[str, str | int | bool] = {"compression.type": "none", "linger.ms": 0}
    producer = foreign_producer(mortal_kafka.bootstrap_servers, **plain)
    publish(producer, scene.topic, islice(ordinary(rng), RECORDS))
    async with mortal_kafka.wire() as proxy:
        # when in two of them a byte is another on its way to the consumer,
        proxy.flips = 2
        consumer = scene.start("--until-end", KAFKA_BOOTSTRAP_SERVERS=proxy.address)
        assert await consumer.ended() == 0, consumer.output
        assert not proxy.flips
    # then it noticed, fetched again, and stored what was sent.
    assert "CorruptRecord" in consumer.output
    await scene.assert_in_order()
