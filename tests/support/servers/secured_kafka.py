"""A broker with a listener for each way to log in, and listeners that advertise addresses without a listener."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not declared as exports
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from deploy.local.ports import HOST, free_port
from tests.support.certificates import make_certificate, make_expired_certificate
from tests.support.servers.acls import ANSWER_S, admin_client
from tests.support.servers.authorizing_kafka import PASSWORD, USER, AuthorizingKafka
from tests.support.servers.listeners import Listener

KEY_PASSPHRASE: Final = "k3y-S3cret"
SCRAM: Final = "SCRAM-SHA-256,SCRAM-SHA-512"
UNKNOWN_HOST: Final = "broker.invalid"


class SecuredKafka(AuthorizingKafka):
    """A broker with the listeners TLS, EXPIRED, MTLS (needs a client certificate), SCRAM, SASL_TLS, LOST and MOVED.

    The certificate of EXPIRED has expired. LOST advertises a host that does not exist, MOVED a port without a
    listener. The directory `certificates` has `ca.crt`, `client.crt`, `client.key` (encrypted), `expired.crt`, and
    `other.crt`, which signed nothing else.

    Args:
        directory: as of `Kafka`.
        properties: further ones.
    """

    def __init__(self, directory: Path, properties: Mapping[str, str] | None = None) -> None:
        self.certificates = directory / "certificates"
        self.certificates.mkdir(parents=True)
        for name, passphrase in (("ca", ""), ("other", "")):
            make_certificate(self.certificates, name, passphrase=passphrase)
        make_certificate(self.certificates, "broker", issuer="ca")
        make_certificate(self.certificates, "client", issuer="ca", passphrase=KEY_PASSPHRASE)
        make_expired_certificate(self.certificates, "expired", issuer="ca")
        for name in ("broker", "expired"):
            store = (self.certificates / f"{name}.key").read_text() + (self.certificates / f"{name}.crt").read_text()
            (self.certificates / f"{name}.pem").write_text(store)
        names = ("TLS", "EXPIRED", "MTLS", "SCRAM", "SASL_TLS", "LOST", "MOVED")
        self._ports = {name: free_port() for name in names}
        listeners = [self._listener(name) for name in self._ports]
        super().__init__(directory, listeners, {**self._properties_of_listeners(), **(properties or {})})

    def _listener(self, name: str) -> Listener:
        port = self._ports[name]
        protocols = {"TLS": "SSL", "EXPIRED": "SSL", "MTLS": "SSL", "SCRAM": "SASL_PLAINTEXT", "SASL_TLS": "SASL_SSL"}
        host = UNKNOWN_HOST if name == "LOST" else HOST
        return Listener(name, port, free_port() if name == "MOVED" else port, protocols.get(name, "PLAINTEXT"), host)

    def _properties_of_listeners(self) -> dict[str, str]:
        plain = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        return {
            "listener.name.scram.sasl.enabled.mechanisms": SCRAM,
            "listener.name.scram.scram-sha-256.sasl.jaas.config": scram,
            "listener.name.scram.scram-sha-512.sasl.jaas.config": scram,
            "listener.name.sasl_tls.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_tls.plain.sasl.jaas.config": plain,
            "connection.failed.authentication.delay.ms": "0",
            "listener.name.mtls.ssl.client.auth": "required",
            "listener.name.expired.ssl.keystore.type": "PEM",
            "listener.name.expired.ssl.keystore.location": str(self.certificates / "expired.pem"),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.certificates / "broker.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.certificates / "ca.crt"),
            "super.users": "User:ANONYMOUS;User:CN=client",
        }

    def add_scram_users(self) -> None:
        """Let the user log in with both mechanisms of SCRAM."""
        admin = admin_client(self.bootstrap_servers)
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
            change = UserScramCredentialUpsertion(USER, ScramCredentialInfo(mechanism, 4096), PASSWORD.encode())
            for future in admin.alter_user_scram_credentials([change]).values():
                future.result(ANSWER_S)

    def settings(self, listener: str, **changes: str) -> Mapping[str, str]:
        """Return the environment of a client that logs in with the listener, with these changes."""
        protocol = self._listener(listener).protocol
        settings = {"KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{self._ports[listener]}", "KAFKA_SECURITY_PROTOCOL": protocol}
        if protocol.startswith("SASL"):
            settings |= {"KAFKA_SASL_USERNAME": USER, "KAFKA_SASL_PASSWORD": PASSWORD}
            settings |= {"KAFKA_SASL_MECHANISM": "SCRAM-SHA-512"} if listener == "SCRAM" else {}
        if protocol.endswith("SSL"):
            settings["KAFKA_SSL_CAFILE"] = str(self.certificates / "ca.crt")
        if listener == "MTLS":
            settings |= {
                "KAFKA_SSL_CERTFILE": str(self.certificates / "client.crt"),
                "KAFKA_SSL_KEYFILE": str(self.certificates / "client.key"),
                "KAFKA_SSL_KEY_PASSWORD": KEY_PASSPHRASE,
            }
        return settings | changes
