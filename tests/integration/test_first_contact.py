"""What a newcomer has wrong on the first day gets one sentence with the setting and the remedy, from every program.

Each test walks a list of mistakes against one server, in this process: the sentences are the same in a new one.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from consumer.errors import UsageError
from consumer.service import serve
from consumer.settings import read_config
from tests.support.first_contact import REFUSED_FOR_S, WRONG_PASSWORD, Mistake, run_command, run_emitter, walk
from tests.support.servers.secured_kafka import UNKNOWN_HOST, SecuredKafka

UNAVAILABLE = 4  # exit code


@pytest.fixture(scope="module")
def kafka() -> Iterator[SecuredKafka]:
    with TemporaryDirectory(prefix="agent-runs-tests-") as directory:
        server = SecuredKafka(Path(directory) / "kafka")
        with server:
            server.add_scram_users()
            yield server
            server.kill()


def _with_kafka(kafka: SecuredKafka) -> list[Mistake]:
    settings, files = kafka.settings, kafka.certificates
    without_ca = {name: text for name, text in settings("TLS").items() if name != "KAFKA_SSL_CAFILE"}
    of_client = ("KAFKA_SSL_CERTFILE", "KAFKA_SSL_KEYFILE", "KAFKA_SSL_KEY_PASSWORD")
    without_certificate = {name: text for name, text in settings("MTLS").items() if name not in of_client}
    other = {"KAFKA_SSL_CERTFILE": str(files / "other.crt"), "KAFKA_SSL_KEYFILE": str(files / "other.key")}
    expired = {"KAFKA_SSL_CERTFILE": str(files / "expired.crt"), "KAFKA_SSL_KEYFILE": str(files / "expired.key")}
    wrong = {"KAFKA_SASL_PASSWORD": WRONG_PASSWORD}
    login = ["KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"]
    host, protocol, mechanism = "KAFKA_BOOTSTRAP_SERVERS", "KAFKA_SECURITY_PROTOCOL", "KAFKA_SASL_MECHANISM"
    localhost = settings("TLS")[host].replace("127.0.0.1", "localhost")
    unknown = {host: f"{UNKNOWN_HOST}:9092"}
    return [
        Mistake("a wrong password (PLAIN)", settings("SASL_TLS", **wrong), ["Invalid username or password", *login]),
        Mistake("a wrong password (SCRAM)", settings("SCRAM", **wrong), ["invalid credentials", *login]),
        Mistake("a wrong user", settings("SCRAM", KAFKA_SASL_USERNAME="ada"), ["invalid credentials", *login]),
        Mistake("PLAIN with SCRAM's port", settings("SCRAM", **{mechanism: "PLAIN"}), [f"set {mechanism}"]),
        Mistake("SASL with a port without it", settings("SCRAM", **{host: settings("TLS")[host]}), [protocol], 4),
        Mistake("no TLS with TLS's port", settings("TLS", **{protocol: "PLAINTEXT"}), [protocol], UNAVAILABLE),
        Mistake("no login with SASL's port", settings("SCRAM", **{protocol: "PLAINTEXT"}), [protocol], UNAVAILABLE),
        Mistake("TLS with a port without it", settings("MOVED", **{protocol: "SSL"}), [protocol], UNAVAILABLE),
        Mistake("another CA", settings("TLS", KAFKA_SSL_CAFILE=str(files / "other.crt")), ["set KAFKA_SSL_CAFILE"]),
        Mistake("no CA", without_ca, ["set KAFKA_SSL_CAFILE"]),
        Mistake("a name that the certificate lacks", settings("TLS", **{host: localhost}), ["'localhost'", host]),
        Mistake("no client certificate", without_certificate, ["set KAFKA_SSL_CERTFILE and KAFKA_SSL_KEYFILE"]),
        Mistake("another client certificate", settings("MTLS", **other), ["KAFKA_SSL_CERTFILE"]),
        Mistake("an expired certificate of the broker", settings("EXPIRED"), ["has expired", "renew the cert"]),
        Mistake("an expired client certificate", settings("MTLS", **expired), ["KAFKA_SSL_CERTFILE"]),
        Mistake("no passphrase", settings("MTLS", KAFKA_SSL_KEY_PASSWORD=""), ["KAFKA_SSL_KEY_PASSWORD: is not set"]),
        Mistake(
            "a wrong passphrase",
            settings("MTLS", KAFKA_SSL_KEY_PASSWORD=WRONG_PASSWORD),
            ["KAFKA_SSL_KEY_PASSWORD: does not decrypt"],
        ),
        Mistake(
            "an unknown host", unknown, [f"broker {UNKNOWN_HOST}:9092: ", "host is not known", f"correct {host}"], 4
        ),
        Mistake("a port where nobody listens", {host: "127.0.0.1:1"}, ["127.0.0.1:1: ", f"correct {host}"], 4),
        Mistake("the advertised host is unknown", settings("LOST"), [f"{UNKNOWN_HOST}:", "advertised.listeners"], 4),
        Mistake("nobody listens at the advertised port", settings("MOVED"), ["127.0.0.1:", "advertised.listeners"], 4),
    ]


def test_a_kafka_that_cannot_be_used_is_told_with_its_reason_its_address_and_the_remedy(kafka: SecuredKafka) -> None:
    mistakes = _with_kafka(kafka)
    give_up = {"AGENT_RUNS_GIVE_UP_S": str(REFUSED_FOR_S)}

    walk(mistakes, lambda mistake: run_command("create-topic", {**mistake.environ, **give_up}))

    as_emitter = [mistake._replace(code=0) for mistake in mistakes]
    walk(as_emitter, lambda mistake: run_emitter(mistake.environ, "does not accept"))


async def test_a_consumer_ends_when_kafka_refuses_its_login_for_a_while_at_its_start(
    kafka: SecuredKafka, database: str
) -> None:
    # Given a password that Kafka refuses, when a consumer starts, then it ends with Kafka's reason.
    settings = kafka.settings("SCRAM", KAFKA_SASL_PASSWORD=WRONG_PASSWORD)
    config = read_config({**settings, "DATABASE_URL": database, "AGENT_RUNS_GIVE_UP_S": str(REFUSED_FOR_S)})
    with pytest.raises(UsageError, match=f"invalid credentials .*refused for {REFUSED_FOR_S} s"):
        await serve(config, to_end=False)
