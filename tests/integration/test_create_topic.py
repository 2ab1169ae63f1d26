"""`create-topic` creates a topic with the configs that the guarantees need, and compares an existing one with them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest

from tests.support.messages import events_of
from tests.support.scene import MakeScene, Scene
from tests.support.servers import delete_topics
from tests.support.servers.topics import topic_configs


@pytest.fixture
async def without_topic(scene: Scene) -> AsyncIterator[Scene]:
    """A scene whose topic does not exist yet."""
    without = replace(scene, topic=f"created-{uuid4().hex}")
    yield without
    await delete_topics(scene.servers.bootstrap_servers, [without.topic])


async def test_a_created_topic_has_the_required_configs_and_can_be_consumed(without_topic: Scene) -> None:
    # Given no topic, when it is created,
    created = await without_topic.command("create-topic", "--partitions", "2")
    # then it has LogAppendTime and no retention, and the largest event fits,
    assert created.exit_code == 0, created.output
    configs = await topic_configs(without_topic.servers.bootstrap_servers, without_topic.topic)
    wanted = {
        "message.timestamp.type": "LogAppendTime",
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "retention.bytes": "-1",
    }
    assert {name: configs[name] for name in wanted} == wanted
    assert int(configs["max.message.bytes"]) > 16 * 1024 * 1024
    # and the service consumes it.
    await without_topic.publish(*events_of("run", "a"), *events_of("other", "a", partition=1))
    await without_topic.consume()
    assert await without_topic.event_ids("other") == ["a"]
    # When the command runs again, then it reports no difference.
    again = await without_topic.command("create-topic", "--partitions", "2")
    assert (again.exit_code, "warning" in again.output) == (0, False), again.output


async def test_settings_determine_size_and_retention(without_topic: Scene) -> None:
    # Given limits for the size of events and the age of records, when the topic is created, then it has them.
    limit = {"AGENT_RUNS_MAX_EVENT_BYTES": str(50 * 1024 * 1024)}
    created = await without_topic.command("create-topic", "--partitions", "1", "--retention-days", "30", **limit)
    assert created.exit_code == 0, created.output
    configs = await topic_configs(without_topic.servers.bootstrap_servers, without_topic.topic)
    assert configs["retention.ms"] == str(30 * 86_400_000)
    assert int(configs["max.message.bytes"]) > 50 * 1024 * 1024


async def test_an_existing_topic_is_not_changed_and_every_difference_is_reported(make_scene: MakeScene) -> None:
    # Given a topic with other configs,
    scene = await make_scene(configs={"retention.ms": "1000", "message.timestamp.type": "CreateTime"})
    before = await topic_configs(scene.servers.bootstrap_servers, scene.topic)
    # when the command should create it,
    finished = await scene.command("create-topic", "--partitions", "3")
    # then it is not changed, and each difference is a warning.
    assert finished.exit_code == 0, finished.output
    warnings = [line for line in finished.output.splitlines() if line.startswith("warning")]
    for name in ("retention.ms is 1000", "message.timestamp.type is CreateTime", "max.message.bytes", "1 partitions"):
        assert any(name in warning for warning in warnings), (name, finished.output)
    assert len(warnings) == 4
    assert await topic_configs(scene.servers.bootstrap_servers, scene.topic) == before
