"""Brokers whose clients connect through a proxy."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.local import Kafka
from deploy.local.ports import HOST, free_port
from tests.support.proxy.proxy import KafkaProxy
from tests.support.servers import LOG_APPEND_TIME, create_topic
from tests.support.servers.listeners import Listener, listener_properties


class ProxiedKafka(Kafka):
    """A broker with two listeners. The second advertises a proxy's address, so its clients stay behind the proxy."""

    def __init__(self, directory: Path) -> None:
        plain, self._proxied, self._proxy = (free_port() for _ in range(3))
        properties = listener_properties(
            Listener("PLAINTEXT", plain, plain), Listener("PROXIED", self._proxied, self._proxy)
        )
        properties["quota.window.num"] = "3"  # a quota admits the bytes of 2 s at once, not of 10 s
        super().__init__(directory, plain, properties, fast_start=True)

    def proxy(self) -> KafkaProxy:
        """A proxy in front of the second listener; one at a time."""
        return KafkaProxy(HOST, self._proxied, listens_on=self._proxy)


@asynccontextmanager
async def proxied_kafka(topic: str) -> AsyncIterator[tuple[KafkaProxy, str]]:
    """A broker that is reached only through a proxy, and its address there."""
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
