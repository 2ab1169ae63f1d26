"""The emitter and the consumer log in to Kafka in each way, with the rights that docs/security.md names, and stay."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import pytest

from tests.support.agent_process import Result, run_agent
from tests.support.ledgers.emitted import in_tables
from tests.support.scene import Scene
from tests.support.servers import LOG_APPEND_TIME, Servers, create_topic
from tests.support.servers.authorizing_kafka import AclOperation, ResourceType
from tests.support.servers.quotas import PRODUCE_RATE, byte_quota
from tests.support.servers.secured_kafka import SecuredKafka

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# The broker closes a connection that is idle for so long, and one whose client has logged in so long ago.
IDLE_MS = 2_000
LOGIN_LASTS_MS = 2_000
PROPERTIES = {
    "connections.max.idle.ms": str(IDLE_MS),
    "listener.name.sasl_tls.plain.connections.max.reauth.ms": str(LOGIN_LASTS_MS),
}
LOGINS = ("SASL PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "TLS", "client certificate", "SASL over TLS")

AGENT = """
    emitter = Emitter()
    for number in range({events}):
        emit(emitter.run("run"), number)
        time.sleep({pause_s})
    print("left", emitter.flush(60))
"""


@pytest.fixture(scope="module")
def kafka() -> Iterator[SecuredKafka]:
    with TemporaryDirectory(prefix="agent-runs-tests-") as directory:
        server = SecuredKafka(Path(directory) / "kafka", PROPERTIES)
        with server:
            server.add_scram_users()
            yield server
            server.kill()


@pytest.fixture
async def scene(kafka: SecuredKafka, database: str, tmp_path: Path) -> Scene:
    """A topic of the broker; the user `consumer` has the rights that docs/security.md names, and no other."""
    topic = f"test-{uuid4().hex}"
    await create_topic(kafka.bootstrap_servers, topic, 1, LOG_APPEND_TIME)
    scene = Scene(Servers(kafka.bootstrap_servers, database), topic, database, tmp_path)
    operation: Any = AclOperation  # the client has no types
    kafka.allow(
        ResourceType.TOPIC, topic, operation.WRITE, operation.READ, operation.DESCRIBE, operation.DESCRIBE_CONFIGS
    )
    for group in (topic, scene.until_end_group):
        kafka.allow(ResourceType.GROUP, group, operation.READ)
    return scene


def settings_of(kafka: SecuredKafka, login: str) -> Mapping[str, str]:
    if login == "SASL PLAIN":
        return kafka.login_settings
    if login.startswith("SCRAM"):
        return kafka.settings("SCRAM", KAFKA_SASL_MECHANISM=login)
    return kafka.settings({"TLS": "TLS", "client certificate": "MTLS", "SASL over TLS": "SASL_TLS"}[login])


async def emitted(scene: Scene, settings: Mapping[str, str], events: int, pause_s: float = 0) -> Result:
    """Run an agent that emits these events to the end, with a pause after each."""
    agent = AGENT.format(events=events, pause_s=pause_s)
    return await run_agent([agent], scene.directory, AGENT_RUNS_TOPIC=scene.topic, **settings)


async def assert_stored(scene: Scene, result: Result, events: int) -> None:
    assert result.errors == ""
    assert "left 0" in result.output
    assert result.ledger.size == events
    assert result.ledger.differences(in_tables(await scene.tables())) == []


@pytest.mark.parametrize("login", LOGINS)
async def test_emitter_and_consumer_log_in(kafka: SecuredKafka, scene: Scene, login: str) -> None:
    settings = settings_of(kafka, login)
    result = await emitted(scene, settings, events=3)
    await scene.consume(**settings)
    await assert_stored(scene, result, 3)


@pytest.mark.parametrize(
    ("login", "pause_s"),
    [
        pytest.param("TLS", 1.5 * IDLE_MS / 1000, id="idle"),
        pytest.param("SASL over TLS", LOGIN_LASTS_MS / 3000, id="login-expires"),
    ],
)
async def test_connections_that_the_broker_closes_are_opened_again_without_a_loss(
    kafka: SecuredKafka, scene: Scene, login: str, pause_s: float
) -> None:
    # Given a consumer and an agent, when the broker closes their connections several times,
    settings, events = settings_of(kafka, login), 8
    consumer = scene.start(**settings)
    result = await emitted(scene, settings, events, pause_s)
    # then all events are stored, no event twice, and neither of them reports a failure.
    await scene.wait_until_drained()
    await assert_stored(scene, result, events)
    await scene.assert_consistent(dead_letters=False)
    assert "level=error" not in consumer.output
    assert consumer.count("retrying") == 0, consumer.output
    await consumer.terminate()


async def test_an_emitter_under_a_quota_delivers_everything(kafka: SecuredKafka, scene: Scene) -> None:
    # Given a quota that admits a tenth of a batch in a second, when an agent emits two batches,
    settings = kafka.settings("TLS")
    agent = """
        emitter = Emitter()
        for number in range(100):
            emit(emitter.run("run"), os.urandom(5_000).hex())
        print("left", emitter.flush(120))
    """
    async with byte_quota(kafka.bootstrap_servers, "agent-runs-emitter", PRODUCE_RATE, 50_000):
        result = await run_agent([agent], scene.directory, AGENT_RUNS_TOPIC=scene.topic, **settings)
    # then all of them arrive, each once.
    await scene.consume(**settings)
    await assert_stored(scene, result, 100)
    assert in_tables(await scene.tables()).repeats == 0
