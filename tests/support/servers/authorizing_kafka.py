"""A broker that checks ACLs, and limits the members of a group."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from confluent_kafka.admin import AclOperation, AclPermissionType, ResourceType  # type: ignore[attr-defined]

from deploy.local import Kafka
from deploy.local.ports import HOST, free_port
from tests.support.servers.acls import add_acls, remove_acls
from tests.support.servers.listeners import Listener, listener_properties
from tests.support.servers.open_servers import NEVER_KILLED

__all__ = [
    "MAX_GROUP_SIZE",
    "MAX_SESSION_TIMEOUT_S",
    "MIN_SESSION_TIMEOUT_S",
    "AclOperation",
    "AuthorizingKafka",
    "ResourceType",
]

USER, PASSWORD = "consumer", "secret"  # of the second listener
MIN_SESSION_TIMEOUT_S = 0.5
MAX_SESSION_TIMEOUT_S = 60.0
MAX_GROUP_SIZE = 2


class AuthorizingKafka(Kafka):
    """A broker with two listeners. Clients of the first one may do everything, those of the second what ACLs allow.

    Args:
        directory: as of `Kafka`.
        listeners: further ones.
        properties: further ones.
    """

    def __init__(
        self, directory: Path, listeners: Sequence[Listener] = (), properties: Mapping[str, str] | None = None
    ) -> None:
        plain, self._sasl = free_port(), free_port()
        login = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        sasl = "SASL_PLAINTEXT"
        own = (Listener("PLAINTEXT", plain, plain), Listener(sasl, self._sasl, self._sasl, protocol=sasl))
        properties = {
            **listener_properties(*own, *listeners),
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": login,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            **NEVER_KILLED,
            "group.max.size": str(MAX_GROUP_SIZE),
            "group.min.session.timeout.ms": str(int(MIN_SESSION_TIMEOUT_S * 1000)),
            "group.max.session.timeout.ms": str(int(MAX_SESSION_TIMEOUT_S * 1000)),
            **(properties or {}),
        }
        super().__init__(directory, plain, properties, fast_start=True)

    @property
    def login_settings(self) -> dict[str, str]:
        """The environment of a client of the second listener."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{self._sasl}",
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_USERNAME": USER,
            "KAFKA_SASL_PASSWORD": PASSWORD,
        }

    def allow(self, kind: ResourceType, name: str, *operations: AclOperation) -> None:
        """Allow the user of the second listener to do this with a topic or a group."""
        add_acls(self.bootstrap_servers, kind, name, f"User:{USER}", operations, AclPermissionType.ALLOW)

    def deny(self, kind: ResourceType, name: str) -> None:
        """Take back what was allowed with a topic or a group."""
        remove_acls(self.bootstrap_servers, kind, name, AclPermissionType.ANY)
