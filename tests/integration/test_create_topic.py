"""`create-topic` makes the topic that the product's promises rest on; where it exists, it compares."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest

from tests.integration.conftest import MakePipeline
from tests.support.messages import said
from tests.support.pipeline import Pipeline
from tests.support.servers import delete_topics
from tests.support.topic_admin import topic_configs


@pytest.fixture
async def without_topic(pipeline: Pipeline) -> AsyncIterator[Pipeline]:
    """A pipeline whose topic is not there yet."""
    without = replace(pipeline, topic=f"created-{uuid4().hex}")
    yield without
    await delete_topics(pipeline.servers.bootstrap_servers, [without.topic])


async def test_a_created_topic_is_as_it_should_be_and_can_be_consumed(without_topic: Pipeline) -> None:
    # Given no topic, when it is created,
    created = await without_topic.command("create-topic", "--partitions", "2")
    # then the broker's clock counts, nothing is ever deleted, and the largest event fits,
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
    # and the service takes it as it is.
    await without_topic.publish(*said("run", "a"), *said("other", "a", partition=1))
    await without_topic.consume()
    assert await without_topic.stored("other") == ["a"]
    # When it is asked for again, then nothing is wrong with it.
    again = await without_topic.command("create-topic", "--partitions", "2")
    assert (again.exit_code, "warning" in again.output) == (0, False), again.output


async def test_settings_decide_on_size_and_retention(without_topic: Pipeline) -> None:
    # Given a limit for events and one for the age of records, when the topic is created, then it has them.
    limit = {"AGENT_RUNS_MAX_EVENT_BYTES": str(50 * 1024 * 1024)}
    created = await without_topic.command("create-topic", "--partitions", "1", "--retention-days", "30", **limit)
    assert created.exit_code == 0, created.output
    configs = await topic_configs(without_topic.servers.bootstrap_servers, without_topic.topic)
    assert configs["retention.ms"] == str(30 * 86_400_000)
    assert int(configs["max.message.bytes"]) > 50 * 1024 * 1024


async def test_an_existing_topic_is_left_alone_and_every_difference_is_named(make_pipeline: MakePipeline) -> None:
    # Given a topic that somebody made otherwise,
    pipeline = await make_pipeline(retention_ms="1000", message_timestamp_type="CreateTime")
    before = await topic_configs(pipeline.servers.bootstrap_servers, pipeline.topic)
    # when it should be created,
    finished = await pipeline.command("create-topic", "--partitions", "3")
    # then it stays as it is, and each difference is said.
    assert finished.exit_code == 0, finished.output
    warnings = [line for line in finished.output.splitlines() if line.startswith("warning")]
    for name in ("retention.ms is 1000", "message.timestamp.type is CreateTime", "max.message.bytes", "1 partitions"):
        assert any(name in warning for warning in warnings), (name, finished.output)
    assert len(warnings) == 4
    assert await topic_configs(pipeline.servers.bootstrap_servers, pipeline.topic) == before
