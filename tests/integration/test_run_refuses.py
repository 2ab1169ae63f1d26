"""`run` refuses what it could not consume without loss, says what to do about it, and changes nothing."""

import socket
from dataclasses import replace
from uuid import uuid4

import pytest

from deploy.local.ports import HOST
from tests.integration.conftest import MakePipeline
from tests.support.messages import said
from tests.support.pipeline import Pipeline
from tests.support.topic_admin import topics


async def test_a_missing_topic_is_named_with_the_command_that_makes_it_and_is_not_made(
    pipeline: Pipeline,
) -> None:
    # Given a name that no topic has; a broker may make one for whoever subscribes,
    missing = replace(pipeline, topic=f"missing-{uuid4().hex}")
    # when it should be consumed, then it is refused,
    for mode in ("--until-end",), ():
        finished = await missing.command("run", *mode)
        assert finished.exit_code == 2, finished.output
        assert f"topic '{missing.topic}' does not exist" in finished.output
        assert "python -m consumer create-topic" in finished.output
    # and still does not exist.
    assert missing.topic not in await topics(pipeline.servers.bootstrap_servers)


@pytest.mark.parametrize("policy", ["compact", "compact,delete"])
async def test_a_compacted_topic_is_refused(make_pipeline: MakePipeline, policy: str) -> None:
    # Given a topic in which Kafka keeps only the last event of a run, when it should be consumed, then it is refused.
    pipeline = await make_pipeline(cleanup_policy=policy)
    finished = await pipeline.command("run", "--until-end")
    assert finished.exit_code == 2, finished.output
    assert "is compacted" in finished.output
    assert "cleanup.policy=delete" in finished.output


async def test_a_database_that_was_not_migrated_is_refused(pipeline: Pipeline, empty_database: str) -> None:
    # Given a database without our tables, when a command needs them, then it names the one that makes them.
    unmigrated = replace(pipeline, database=empty_database)
    for command in (("run", "--until-end"), ("verify",)):
        finished = await unmigrated.command(*command)
        assert finished.exit_code == 2, finished.output
        assert "0001-first-schema" in finished.output
        assert "python -m consumer migrate" in finished.output


async def test_a_database_of_another_topic_is_refused(pipeline: Pipeline, make_pipeline: MakePipeline) -> None:
    # Given a database that holds another topic,
    await pipeline.publish(*said("run", "a"))
    await pipeline.consume()
    other = replace(await make_pipeline(), database=pipeline.database)
    # when this one should go there too, then it is refused.
    finished = await other.command("run", "--until-end")
    assert finished.exit_code == 2, finished.output
    assert f"holds the topic '{pipeline.topic}', not '{other.topic}'" in finished.output


async def test_all_bad_settings_are_reported_at_once(pipeline: Pipeline) -> None:
    # Given settings of which several are missing or wrong, in every section,
    bad = {
        "KAFKA_BOOTSTRAP_SERVERS": "",
        "KAFKA_SECURITY_PROTOCOL": "TELEPATHY",
        "DATABASE_URL_FILE": "/nowhere",
        "DATABASE_URL": "",
        "AGENT_RUNS_LANES": "0",
        "AGENT_RUNS_BATCH_RECORDS": "many",
        "AGENT_RUNS_LOG_LEVEL": "loud",
        "AGENT_RUNS_HTTP_PORT": "65536",
    }
    # when the service starts, then each is named on a line of its own, in one go.
    finished = await pipeline.command("run", **bad)
    assert finished.exit_code == 2
    lines = finished.output.splitlines()
    named = {line.removeprefix("error: ").partition(":")[0] for line in lines}
    assert named == bad.keys() - {"DATABASE_URL_FILE"}, finished.output
    assert len(lines) == len(named)


async def test_a_taken_port_is_refused_with_the_setting_that_changes_it(pipeline: Pipeline) -> None:
    # Given a port where somebody listens,
    with socket.create_server((HOST, 0)) as listening:
        taken = str(listening.getsockname()[1])
        # when health should be served there, then it is refused.
        finished = await pipeline.command("run", AGENT_RUNS_HTTP_PORT=taken)
    assert finished.exit_code == 2, finished.output
    assert "set AGENT_RUNS_HTTP_PORT to a free port" in finished.output
