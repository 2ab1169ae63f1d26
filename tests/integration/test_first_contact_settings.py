"""Wrong settings, databases and topics of the first day get one sentence each, with the setting and the remedy."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deploy.local.ports import HOST
from tests.support.first_contact import REFUSED_FOR_S, WRONG_PASSWORD, Mistake, run_command, run_emitter, walk
from tests.support.servers import Servers
from tests.support.servers.clients import execute
from tests.support.servers.logins import READER, login

UNAVAILABLE = 4  # exit code
URL_FORM = "DATABASE_URL: "
OTHER_TOPIC = "INSERT INTO consumer_offsets (topic, partition, first_offset, next_offset) VALUES ('x', 0, 0, 0)"
RETRY = "dead-letters retry --all"
ENCODE = ["DATABASE_URL: ", "percent-encode"]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port where a connection is accepted, and nothing is answered."""
    with socket.create_server((HOST, 0)) as listening:
        yield listening.getsockname()[1]


def _of_kafka_settings(servers: Servers, tmp_path: Path) -> list[Mistake]:
    host = "KAFKA_BOOTSTRAP_SERVERS"
    right = {host: servers.bootstrap_servers}
    postgres = urlsplit(servers.database_url).netloc.rpartition("@")[2]

    def with_(**changes: str) -> dict[str, str]:
        return {**right, **changes}

    return [
        Mistake("no address of Kafka", {}, [f"{host}: is not set"]),
        Mistake("an address with a scheme", {host: "kafka://a:9092"}, [f"{host}: must be host", "without a scheme"]),
        Mistake("an address with a login", {host: f"ada:{WRONG_PASSWORD}@a:9092"}, [host, "set KAFKA_SASL_USERNAME"]),
        Mistake("a port that is not a number", {host: "a:x"}, [f"{host}: must be host"]),
        Mistake("a port that is too large", {host: "a:99999"}, [f"{host}: must be host"]),
        Mistake("the port of PostgreSQL", {host: postgres}, [f"broker {postgres}: "], UNAVAILABLE),
        Mistake("two dots in a host", {host: "a..b:1"}, [f"{host}: must be host"]),
        Mistake("a topic of Kafka itself", with_(AGENT_RUNS_TOPIC="__consumer_offsets"), ["the topics of Kafka"]),
        Mistake("an unknown protocol", with_(KAFKA_SECURITY_PROTOCOL="TLS"), ["KAFKA_SECURITY_PROTOCOL: ", "SASL_SSL"]),
        Mistake("an unknown mechanism", with_(KAFKA_SASL_MECHANISM="GSSAPI"), ["KAFKA_SASL_MECHANISM: ", "allowed: "]),
        Mistake("SASL without a login", with_(KAFKA_SECURITY_PROTOCOL="SASL_SSL"), ["KAFKA_SASL_PASSWORD", "both"]),
        Mistake(
            "a CA that does not exist",
            with_(KAFKA_SECURITY_PROTOCOL="SSL", KAFKA_SSL_CAFILE="/nowhere"),
            ["KAFKA_SSL_CAFILE: file '/nowhere' does not exist"],
        ),
        Mistake(
            "a CA without a certificate",
            with_(KAFKA_SECURITY_PROTOCOL="SSL", KAFKA_SSL_CAFILE=__file__),
            [f"KAFKA_SSL_CAFILE: {__file__} cannot be loaded"],
        ),
        Mistake(
            "the content of a key in the place of its path",
            with_(KAFKA_SECURITY_PROTOCOL="SSL", KAFKA_SSL_CERTFILE=f"-----BEGIN PRIVATE KEY-----\n{WRONG_PASSWORD}\n"),
            ["KAFKA_SSL_CERTFILE: must be the path of a file, not its content"],
        ),
        Mistake(
            "the content of a key without line ends",
            with_(KAFKA_SECURITY_PROTOCOL="SSL", KAFKA_SSL_CAFILE=WRONG_PASSWORD * 100),
            ["KAFKA_SSL_CAFILE: must be the path of a file, not its content"],
        ),
        Mistake(
            "a key without a certificate",
            with_(KAFKA_SECURITY_PROTOCOL="SSL", KAFKA_SSL_KEYFILE=__file__),
            ["KAFKA_SSL_CERTFILE: is not set"],
        ),
        Mistake(
            "the file of a password does not exist",
            with_(KAFKA_SASL_PASSWORD_FILE=f"{tmp_path}/nowhere"),
            ["the file of KAFKA_SASL_PASSWORD_FILE cannot be read", f"{tmp_path}/nowhere"],
        ),
        Mistake(
            "a password in the place of its file",
            with_(KAFKA_SASL_PASSWORD_FILE=WRONG_PASSWORD),
            ["the file of KAFKA_SASL_PASSWORD_FILE cannot be read"],
        ),
        Mistake("a misspelt setting", with_(AGENT_RUNS_TOPICS="a"), ["did you mean AGENT_RUNS_TOPIC?"]),
    ]


def test_wrong_settings_of_kafka(servers: Servers, tmp_path: Path) -> None:
    mistakes = _of_kafka_settings(servers, tmp_path)
    give_up = {"AGENT_RUNS_GIVE_UP_S": str(REFUSED_FOR_S)}

    walk(mistakes, lambda mistake: run_command("create-topic", {**mistake.environ, **give_up}))

    # The emitter ignores unknown variables.
    as_emitter = [mistake._replace(code=0) for mistake in mistakes]
    walk(as_emitter, lambda mistake: run_emitter(mistake.environ, "does not accept"))


def _of_the_database(servers: Servers, url: str) -> list[Mistake]:
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    right = {"DATABASE_URL": url}

    def login_as(text: str) -> dict[str, str]:
        return {"DATABASE_URL": f"postgresql://{text}@{place}{parts.path}"}

    def with_(query: str) -> dict[str, str]:
        return {"DATABASE_URL": f"{url}?{query}"}

    def at(netloc: str) -> dict[str, str]:
        return {"DATABASE_URL": f"postgresql://ada@{netloc}/runs"}

    return [
        Mistake("no URL", {}, ["DATABASE_URL: is not set"]),
        Mistake(
            "the URL of another database", {"DATABASE_URL": "mysql://a@b/c"}, ["DATABASE_URL: must be postgresql://"]
        ),
        Mistake("the URL of SQLAlchemy", {"DATABASE_URL": f"postgresql+asyncpg{url[10:]}"}, [URL_FORM, "+driver"]),
        Mistake("a # in the password", login_as(f"ada:{WRONG_PASSWORD}#x"), ENCODE),
        Mistake("a / in the password", login_as(f"ada:{WRONG_PASSWORD}/x"), ENCODE),
        Mistake("an @ in the password", login_as(f"ada:{WRONG_PASSWORD}@x"), ENCODE),
        Mistake("a % in the password", login_as(f"ada:{WRONG_PASSWORD}%x"), ENCODE),
        Mistake("no host", {"DATABASE_URL": "postgresql:///runs"}, [URL_FORM, "names no host"]),
        Mistake("a port that is not a number", at("db:54x2"), ["DATABASE_URL: has a"]),
        Mistake("an unknown host", at("db.invalid"), ["the host is not known", "in DATABASE_URL"], UNAVAILABLE),
        Mistake(
            "a port where nobody listens", at(f"{HOST}:1"), ["PostgreSQL cannot be reached", "port in DATABASE_URL"], 4
        ),
        Mistake(
            "the port of Kafka", at(servers.bootstrap_servers), ["PostgreSQL cannot be reached", "in DATABASE_URL"], 4
        ),
        Mistake("an unknown login", login_as("nobody_here"), ["create the login", "in DATABASE_URL"]),
        Mistake("an unknown database", {"DATABASE_URL": url.replace(parts.path, "/nowhere")}, ["create the database"]),
        Mistake("an unknown mode", with_("sslmode=verify"), ["DATABASE_URL: sslmode must be one of disable, allow"]),
        Mistake("no TLS in PostgreSQL", with_("sslmode=require"), ["correct the host or sslmode in DATABASE_URL"]),
        Mistake("no CA", with_("sslmode=verify-full"), ["DATABASE_URL: sslmode=verify-full needs sslrootcert"]),
        Mistake("a missing CA", with_("sslrootcert=/nowhere"), ["DATABASE_URL: sslrootcert=/nowhere cannot be loaded"]),
        Mistake("a missing certificate", with_("sslcert=/nowhere"), ["DATABASE_URL: sslcert: /nowhere cannot be read"]),
        Mistake("a missing file of passwords", with_("passfile=/nowhere"), ["passfile=/nowhere cannot be read"]),
        Mistake(
            "the content of a key in the place of its path",
            with_(f"sslcert={__file__}&sslkey={WRONG_PASSWORD * 100}"),
            ["DATABASE_URL: sslkey: the file cannot be read"],
        ),
        Mistake("a list of revoked certificates", with_("sslcrl=/nowhere"), ["DATABASE_URL: sslcrl needs sslrootcert"]),
        Mistake("an unknown kind of host", with_("target_session_attrs=master"), ["must be one of any, primary"]),
        Mistake("no host of this kind", with_("target_session_attrs=standby"), ["target_session_attrs=standby"], 4),
        Mistake("a parameter of JDBC", with_("ssl=true"), ["DATABASE_URL: ", "remove the parameter"]),
        Mistake("wrong options", with_("options=a"), ["DATABASE_URL: ", "HINT: ", "remove the parameter"]),
        Mistake("channel binding", with_("channel_binding=require"), ["the parameter channel_binding: remove it"]),
        Mistake("a timeout of libpq", with_("connect_timeout=3"), ["set AGENT_RUNS_CONNECT_TIMEOUT_S instead"]),
        Mistake("a parameter of another client", with_("pgbouncer=true"), ["DATABASE_URL: ", '"pgbouncer"']),
        Mistake("a search_path", with_("search_path=a"), ["search_path: set AGENT_RUNS_SCHEMA instead"]),
        Mistake("another schema", {**right, "AGENT_RUNS_SCHEMA": "nowhere"}, ["CREATE SCHEMA nowhere"]),
        Mistake("a schema of PostgreSQL", {**right, "AGENT_RUNS_SCHEMA": "pg_catalog"}, ["PostgreSQL's own schemas"]),
        Mistake("a schema that is not a name", {**right, "AGENT_RUNS_SCHEMA": "a-b"}, ["AGENT_RUNS_SCHEMA: "]),
        Mistake(
            "a variable of Kubernetes",
            {**right, "AGENT_RUNS_HTTP_PORT": "tcp://10.0.0.1:8000"},
            ["AGENT_RUNS_HTTP_PORT: ", "enableServiceLinks: false"],
        ),
        Mistake("a setting out of range", {**right, "AGENT_RUNS_GIVE_UP_S": "0"}, ["AGENT_RUNS_GIVE_UP_S: "]),
        Mistake("a misspelt setting", {**right, "AGENT_RUNS_LANE": "1"}, ["did you mean AGENT_RUNS_LANES?"]),
    ]


def test_wrong_settings_of_the_database(servers: Servers, database: str) -> None:
    give_up = {"AGENT_RUNS_GIVE_UP_S": str(REFUSED_FOR_S)}

    walk(_of_the_database(servers, database), lambda mistake: run_command("migrate", {**give_up, **mistake.environ}))


def test_a_postgresql_that_does_not_answer(database: str, silent_port: int) -> None:
    environ = {
        "DATABASE_URL": f"postgresql://ada@{HOST}:{silent_port}/runs",
        "AGENT_RUNS_GIVE_UP_S": str(REFUSED_FOR_S),
        "AGENT_RUNS_CONNECT_TIMEOUT_S": "0.1",
    }
    mistake = Mistake("no answer of PostgreSQL", environ, ["no answer within 0.1 s", "in DATABASE_URL"], UNAVAILABLE)

    walk([mistake], lambda mistake: run_command("migrate", mistake.environ))


def test_a_kafka_that_does_not_answer(silent_port: int) -> None:
    environ = {"KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{silent_port}", "AGENT_RUNS_GIVE_UP_S": str(REFUSED_FOR_S)}
    mistake = Mistake("no answer of Kafka", environ, ["no answer within", "correct KAFKA_BOOTSTRAP_SERVERS"], 4)

    walk([mistake], lambda mistake: run_command("create-topic", mistake.environ, shortest_attempt_s=0.2))


async def test_wrong_databases_topics_and_rights(
    servers: Servers, database: str, empty_database: str, topic: str
) -> None:
    right = {
        "KAFKA_BOOTSTRAP_SERVERS": servers.bootstrap_servers,
        "DATABASE_URL": database,
        "AGENT_RUNS_TOPIC": topic,
    }
    unknown = {**right, "AGENT_RUNS_TOPIC": "nowhere"}
    mistakes = [
        Mistake("an unknown topic", unknown, ["topic 'nowhere' does not exist", "create-topic"]),
        Mistake("a name that is not a topic", {**right, "AGENT_RUNS_TOPIC": "a b"}, ["249 letters, digits, dots"]),
        Mistake(
            "a database without tables", {**right, "DATABASE_URL": empty_database}, ["agent-runs-consumer migrate"]
        ),
    ]
    await asyncio.to_thread(walk, mistakes, lambda mistake: run_command("offsets show", mistake.environ))
    await execute(database, OTHER_TOPIC)
    async with login(database, READER) as url:
        mistakes = [
            Mistake("a database of another topic", right, ["holds the topic 'x'", "set AGENT_RUNS_TOPIC"]),
            Mistake("a login that may only read", {**right, "DATABASE_URL": url}, ["GRANT agent_runs_consumer TO"]),
        ]
        await asyncio.to_thread(walk, mistakes, lambda mistake: run_command(RETRY, mistake.environ))
