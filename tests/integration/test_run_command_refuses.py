"""`run` refuses what it cannot consume without loss, names the remedy, and changes nothing."""

import socket
from dataclasses import replace
from uuid import uuid4

import pytest

from deploy.local.ports import HOST
from tests.support.messages import events_of
from tests.support.scene import MakeScene, Scene
from tests.support.servers.topics import topic_names


async def _refuses(scene: Scene, *command: str, texts: tuple[str, ...], **settings: str) -> None:
    """Require exit code 2 and these texts in the output."""
    finished = await scene.command(*command, **settings)
    assert finished.exit_code == 2, finished.output
    for text in texts:
        assert text in finished.output


async def test_a_missing_topic_is_refused_and_not_created(scene: Scene) -> None:
    # Given a name that no topic has; a broker may create a topic for a client that subscribes to it,
    missing = replace(scene, topic=f"missing-{uuid4().hex}")
    # when it is consumed, then `run` names the command that creates it,
    texts = (f"topic '{missing.topic}' does not exist", "agent-runs-consumer create-topic")
    await _refuses(missing, "run", "--until-end", texts=texts)
    await _refuses(missing, "run", texts=texts)
    # and the topic still does not exist.
    assert missing.topic not in await topic_names(scene.servers.bootstrap_servers)


@pytest.mark.parametrize("policy", ["compact", "compact,delete"])
async def test_a_compacted_topic_is_refused(make_scene: MakeScene, policy: str) -> None:
    # Given a topic in which Kafka keeps only the last event of a run, when it is consumed, then `run` refuses it.
    scene = await make_scene(configs={"cleanup.policy": policy})
    await _refuses(scene, "run", "--until-end", texts=("is compacted", "cleanup.policy=delete"))


async def test_a_database_that_was_not_migrated_is_refused(scene: Scene, empty_database: str) -> None:
    # Given a database without tables, when a command needs them, then it names the command that creates them.
    unmigrated = replace(scene, database=empty_database)
    for command in (("run", "--until-end"), ("verify",)):
        await _refuses(unmigrated, *command, texts=("0001-first-schema", "agent-runs-consumer migrate"))


async def test_a_database_of_another_topic_is_refused(scene: Scene, make_scene: MakeScene) -> None:
    # Given a database that holds another topic, when this one is to be stored there too, then `run` refuses it.
    await scene.publish(*events_of("run", "a"))
    await scene.consume()
    other = replace(await make_scene(), database=scene.database)
    await _refuses(other, "run", "--until-end", texts=(f"holds the topic '{scene.topic}', not '{other.topic}'",))


async def test_a_taken_port_is_refused_with_the_setting_that_changes_it(scene: Scene) -> None:
    # Given a port in use, when health should be served there, then `run` refuses it.
    with socket.create_server((HOST, 0)) as listening:
        taken = str(listening.getsockname()[1])
        await _refuses(scene, "run", texts=("set AGENT_RUNS_HTTP_PORT to a free port",), AGENT_RUNS_HTTP_PORT=taken)


async def test_all_bad_settings_are_reported_at_once(scene: Scene) -> None:
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
    # when the service starts, then each is named on its own line.
    finished = await scene.command("run", **bad)
    assert finished.exit_code == 2
    lines = finished.output.splitlines()
    named = {line.removeprefix("error: ").partition(":")[0] for line in lines}
    assert named == bad.keys() - {"DATABASE_URL_FILE"}, finished.output
    assert len(lines) == len(named)
