"""A broker with two doors: one for everybody, and one that is reached by way of a proxy."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.local import Kafka
from deploy.local.ports import HOST, free_port
from tests.support.proxy.proxy import KafkaProxy
from tests.support.servers import LOG_APPEND_TIME, create_topic


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
        super().__init__(directory, plain, properties, fast_start=True)

    def wire(self) -> KafkaProxy:
        """A proxy in front of the second door; one at a time."""
        return KafkaProxy(HOST, self._wired, listens_on=self._proxied)


@asynccontextmanager
async def wired_kafka(topic: str) -> AsyncIterator[tuple[KafkaProxy, str]]:
    """A broker that is reached by way of a proxy only, and its address there."""
    with TemporaryDirectory(prefix="agent-runs-tests-") as directory:
        async with KafkaProxy() as proxy:
            address = f"127.0.0.1:{proxy.port}"
            properties = {"advertised.listeners": f"PLAINTEXT://{address}"}
            kafka = Kafka(Path(directory), properties=properties, fast_start=True)
            await asyncio.to_thread(kafka.start)
            try:
                proxy.target = "127.0.0.1", kafka.port
                await create_topic(address, topic, 1, LOG_APPEND_TIME)
                yield proxy, address
            finally:
                await asyncio.to_thread(kafka.kill)
