"""Each consumer reports the lag of all partitions, who owns them, open transactions, and open dead letters."""

import asyncio
from contextlib import suppress

from confluent_kafka import Consumer

from deploy.local.ports import free_port
from tests.support.consumer_process import ConsumerProcess
from tests.support.foreign_producer import publish, transactional_producer
from tests.support.health import metrics, wait_for_metrics, wait_until_healthy, wait_until_unhealthy
from tests.support.messages import Message, events_of
from tests.support.scene import PARTITIONS, Scene
from tests.support.servers import MakeTopic
from tests.support.waiting import until

# A frozen member stays in its group for this time.
LONG_SESSION = {"AGENT_RUNS_SESSION_TIMEOUT_S": "30"}
SECONDS = 30.0  # what has happened is visible within, on a busy machine; the watch interval is 1 s


def series(name: str, partition: int) -> str:
    return f'agent_runs_{name}{{partition="{partition}"}}'


def start(scene: Scene, **settings: str) -> tuple[ConsumerProcess, int]:
    """A consumer, and the port of its health and metrics."""
    port = free_port()
    return scene.start(**{"AGENT_RUNS_HTTP_PORT": str(port), **settings}), port


async def owned_partitions(port: int) -> list[int]:
    """The partitions that a consumer owns: these it reports as halted or not."""
    samples = await metrics(port)
    return [partition for partition in range(PARTITIONS) if series("halted", partition) in samples]


async def test_all_consumers_report_the_lag_of_a_frozen_consumers_partition(scene: Scene) -> None:
    # Given three consumers with a partition each, of which one is frozen,
    started = [start(scene, AGENT_RUNS_LOG_FORMAT="json", **LONG_SESSION) for _ in range(PARTITIONS)]
    owned: list[list[int]] = []

    async def all_are_owned() -> bool:
        with suppress(OSError):  # a consumer is still starting
            owned[:] = [await owned_partitions(port) for _, port in started]
        return sorted(owned) == [[partition] for partition in range(PARTITIONS)]

    await until(all_are_owned, "each consumer owns one partition")
    (victim, _), *others = started
    ((blocked,), *_) = owned
    victim.freeze()
    # when a record is published to each partition,
    for partition in range(PARTITIONS):
        await scene.publish(*events_of("run", f"event-{partition}", partition=partition))
    # then each of the others reports the lag of that partition and its growing age, and no lag of the other partitions.
    for _, port in others:
        await wait_for_metrics(
            port,
            f"the lag of partition {blocked}",
            lambda samples: (
                samples.get(series("lag_records", blocked)) == 1 and samples[series("lag_seconds", blocked)] > 1
            ),
            SECONDS,
        )
        await wait_for_metrics(
            port,
            "no other lag",
            lambda samples: sum(samples[series("lag_records", each)] for each in range(PARTITIONS)) == 1,
        )
    # When the consumer is killed and its partition has another owner, then no lag is left.
    victim.kill()
    await scene.wait_until_drained()
    for _, port in others:
        await wait_for_metrics(
            port,
            "no lag",
            lambda samples: not any(samples[series("lag_seconds", each)] for each in range(PARTITIONS)),
        )


async def test_a_partition_without_an_owner_makes_a_consumer_unhealthy_until_it_has_an_owner(
    scene: Scene, make_topic: MakeTopic
) -> None:
    # Given a consumer that its group refuses, because another program with another topic is in it,
    other_topic = await make_topic()
    strategy = {"partition.assignment.strategy": "cooperative-sticky"}
    other = Consumer({"bootstrap.servers": scene.servers.bootstrap_servers, "group.id": scene.topic, **strategy})
    other.subscribe([other_topic])
    while not await asyncio.to_thread(other.assignment):
        await asyncio.to_thread(other.poll, 0.1)
    consumer, port = start(scene)
    # when a record is published, then the consumer, which is not a member, reports the partition without an owner,
    await scene.publish(*events_of("run", "a", partition=1))
    await wait_until_unhealthy(port, "no member of the group owns partition 1, which has a lag of 1", SECONDS)
    assert (await metrics(port))[series("unowned", 1)] == 1
    # and when the other program ends, then the consumer takes the partitions and is healthy.
    await asyncio.to_thread(other.close)
    await wait_until_healthy(port)
    assert (await metrics(port))[series("unowned", 1)] == 0
    await scene.wait_for_events("run", "a")
    await consumer.terminate()


async def test_an_open_transaction_is_named_with_its_producer_and_its_end_is_logged(scene: Scene) -> None:
    # Given a producer that hangs in a transaction, and a record behind it,
    consumer, port = start(scene, AGENT_RUNS_LOG_FORMAT="json", AGENT_RUNS_OPEN_TRANSACTION_S="2")
    await wait_until_healthy(port)
    producer = transactional_producer(scene.servers.bootstrap_servers, f"{scene.topic}-billing")
    producer.begin_transaction()
    publish(producer, scene.topic, events_of("run", "a", partition=1))
    await scene.publish(*events_of("run", "b", partition=1), *events_of("other", "a", partition=2))
    # then health names the partition and the producer, the lag includes what is blocked, and the others have none.
    await wait_until_unhealthy(port, f"with transactional.id '{scene.topic}-billing', epoch 0, open for", SECONDS)
    samples = await wait_for_metrics(port, "no lag", lambda samples: samples[series("lag_records", 2)] == 0)
    assert samples[series("lag_records", 1)] == 2
    assert samples[series("lag_seconds", 1)] >= 2
    assert samples[series("open_transaction_seconds", 1)] >= 2
    assert samples[series("open_transaction_seconds", 2)] == 0
    await consumer.wait_for_action("transaction_open")  # logged when the topic is read again
    (line,) = consumer.lines("transaction_open")
    assert (line["partition"], line["offset"]) == (1, 0)
    # When it is aborted, then what is behind it is stored, and the log has the end.
    producer.abort_transaction()
    await scene.wait_for_events("run", "b")
    await consumer.wait_for_action("transaction_over")
    assert consumer.lines("transaction_over")[0]["after_s"] >= 2
    await wait_until_healthy(port)
    await consumer.terminate()
    await scene.assert_consistent()


async def test_open_dead_letters_are_gauges_until_they_are_discarded(scene: Scene) -> None:
    consumer, port = start(scene)
    await scene.publish(Message(b"run", b"not JSON", 0), Message(b"run", b"neither", 1))
    samples = await wait_for_metrics(
        port, "two dead letters", lambda samples: samples.get("agent_runs_open_dead_letters") == 2, SECONDS
    )
    assert 0 < samples["agent_runs_oldest_open_dead_letter_seconds"] < 60
    discarded = await scene.command("dead-letters", "discard", "--all", "--by", "Ada", "--because", "a test")
    assert discarded.exit_code == 0, discarded.output
    samples = await wait_for_metrics(
        port, "no dead letter", lambda samples: samples.get("agent_runs_open_dead_letters") == 0, SECONDS
    )
    assert samples["agent_runs_oldest_open_dead_letter_seconds"] == 0
    await consumer.terminate()
