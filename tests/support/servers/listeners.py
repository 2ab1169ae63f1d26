"""The properties of a broker that has several listeners."""

from typing import NamedTuple

from deploy.local.ports import HOST, free_port


class Listener(NamedTuple):
    """A listener of a broker.

    Attributes:
        name: in the broker's properties.
        port: where the broker listens.
        advertised_port: where clients are told to connect; a proxy's, or `port`.
        protocol: Kafka's name of the security protocol.
        advertised_host: the host where clients are told to connect.
    """

    name: str
    port: int
    advertised_port: int
    protocol: str = "PLAINTEXT"
    advertised_host: str = HOST


def listener_properties(first: Listener, *others: Listener) -> dict[str, str]:
    """Return the properties of a broker with these listeners and one for its controller.

    The broker's own connections to other brokers use the first one.
    """
    listeners, controller = (first, *others), f"{HOST}:{free_port()}"
    advertised = [f"{each.name}://{each.advertised_host}:{each.advertised_port}" for each in listeners]
    addresses = [f"{each.name}://{HOST}:{each.port}" for each in listeners]
    protocols = [f"{each.name}:{each.protocol}" for each in listeners]
    return {
        "listeners": ",".join([*addresses, f"CONTROLLER://{controller}"]),
        "advertised.listeners": ",".join(advertised),
        "listener.security.protocol.map": ",".join([*protocols, "CONTROLLER:PLAINTEXT"]),
        "inter.broker.listener.name": first.name,
        "controller.quorum.voters": f"1@{controller}",
    }
