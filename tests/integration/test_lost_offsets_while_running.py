"""Lost records and replaced topics while a consumer runs: it halts, and resumes once an operator has decided."""

import pytest

from deploy.local.ports import free_port
from tests.support.consumer_process import ConsumerProcess
from tests.support.health import health, wait_until_healthy, wait_until_unhealthy
from tests.support.messages import events_of
from tests.support.scene import MakeScene, Scene
from tests.support.servers.topics import delete_records_before, recreate_topic, set_partitions

WATCH = {"AGENT_RUNS_WATCH_INTERVAL_S": "0.2", "AGENT_RUNS_LOG_FORMAT": "json"}


def _start(scene: Scene) -> tuple[ConsumerProcess, int]:
    """A consumer that inspects the log often, and the port of its health."""
    port = free_port()
    return scene.start(AGENT_RUNS_HTTP_PORT=str(port), **WATCH), port


async def _halts(consumer: ConsumerProcess, port: int, *reasons: str) -> None:
    """Wait until the consumer halts partition 0, and require one of the reasons in its log and its health."""
    await consumer.wait_for_action("halted")
    line = consumer.lines("halted")[0]
    assert line["partition"] == 0, line
    assert any(reason in line["reason"] for reason in reasons), line
    await wait_until_unhealthy(port, "partition 0 is halted")
    assert line["reason"] in (await health(port))[1]


FEWER, OTHER = "before the stored offset 2", "the record stored from offset 1 is no longer in the log"


# With more records, the reason depends on whether the consumer compares the logs before or after they are published.
@pytest.mark.parametrize(("records", "reasons"), [(1, [FEWER]), (5, [OTHER, FEWER])])
async def test_a_running_consumer_halts_when_its_topic_is_recreated(
    scene: Scene, records: int, reasons: list[str]
) -> None:
    # Given a healthy consumer that has stored two records,
    await scene.publish(*events_of("run", "a", "b"))
    consumer, port = _start(scene)
    await scene.wait_for_events("run", "a", "b")
    await wait_until_healthy(port)
    # when the topic is deleted and created again, and gets fewer records than were stored, or more,
    await recreate_topic(scene.servers.bootstrap_servers, scene.topic)
    await scene.publish(*events_of("run", *(f"new-{number}" for number in range(records))))
    # then the partition halts, and the consumer can be stopped.
    await _halts(consumer, port, *reasons)
    await consumer.terminate()
    if records == 1:
        assert await scene.event_ids("run") == ["a", "b"]


async def test_a_consumer_frozen_while_its_topic_is_recreated_halts_for_good(scene: Scene) -> None:
    # Given a consumer that is frozen while its topic is deleted and created again, and that resumes at its old offset,
    await scene.publish(*events_of("run", "a", "b"))
    consumer, port = _start(scene)
    await scene.wait_for_events("run", "a", "b")
    consumer.freeze()
    await consumer.wait_until_frozen()
    await recreate_topic(scene.servers.bootstrap_servers, scene.topic)
    await scene.publish(*events_of("run", *(f"new-{number}" for number in range(5))))
    # when it resumes, then it finds another record at its offset, and halts,
    consumer.resume()
    await _halts(consumer, port, OTHER)
    await consumer.terminate()
    # and so does the next consumer, although records of the new log may have been stored meanwhile.
    after = await scene.command("run", "--until-end")
    assert (after.exit_code, "stored from offset 1 is no longer" in after.output) == (3, True), after.output


async def test_a_running_consumer_resumes_without_a_restart_once_the_loss_is_accepted(make_scene: MakeScene) -> None:
    # Given a consumer that halts one of two partitions, because retention deleted records that were not stored,
    scene = await make_scene(2)
    await scene.publish(*events_of("one", "a"), *events_of("two", "a", partition=1))
    await scene.consume()
    await scene.publish(*events_of("one", "lost", "kept"))
    await delete_records_before(scene.servers.bootstrap_servers, scene.topic, 2)
    consumer, port = _start(scene)
    await _halts(consumer, port, "the log begins at offset 2")
    # when records arrive in the other partition, then they are stored.
    await scene.publish(*events_of("two", "b", partition=1))
    await scene.wait_for_events("two", "a", "b")
    # When an operator accepts the loss,
    accepted = await scene.command("offsets", "accept-loss", "--partition", "0", "--by", "Ada")
    assert accepted.exit_code == 0, accepted.output
    # then the consumer resumes without a restart and is healthy again.
    await scene.wait_for_events("one", "a", "kept")
    await wait_until_healthy(port)


async def test_a_running_consumer_takes_up_added_partitions(scene: Scene) -> None:
    # Given a running consumer,
    await scene.publish(*events_of("one", "a"))
    consumer, _ = _start(scene)
    await scene.wait_for_events("one", "a")
    # when its topic gets another partition with records,
    await set_partitions(scene.servers.bootstrap_servers, scene.topic, 2)
    await scene.publish(*events_of("two", "a", partition=1))
    # then the consumer reads it from its beginning, and logs a warning.
    await scene.wait_for_events("two", "a")
    await consumer.wait_for_action("partitions_added")
    assert consumer.lines("partitions_added")[0]["partitions"] == [1]
