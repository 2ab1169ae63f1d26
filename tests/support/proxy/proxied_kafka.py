"""A broker with two doors: one for everybody, and one that is reached by way of a proxy."""

from pathlib import Path

from deploy.local import Kafka
from deploy.local.ports import HOST, free_port
from tests.support.proxy.proxy import KafkaProxy


class WiredKafka(Kafka):
    """Whoever comes by way of the proxy is told that its address is the broker's, and so stays there."""

    def __init__(self, directory: Path) -> None:
        plain, controller, self._wired, self._proxied = (free_port() for _ in range(4))
        controllers = f"CONTROLLER://{HOST}:{controller}"
        properties = {
            "listeners": f"PLAINTEXT://{HOST}:{plain},WIRED://{HOST}:{self._wired},{controllers}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{plain},WIRED://{HOST}:{self._proxied}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,WIRED:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "controller.quorum.voters": f"1@{HOST}:{controller}",
        }
        super().__init__(directory, plain, properties, brief=True)

    def wire(self) -> KafkaProxy:
        """A proxy in front of the second door; one at a time."""
        return KafkaProxy(HOST, self._wired, listens_on=self._proxied)
