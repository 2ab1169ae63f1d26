"""Sends single requests to Kafka outside the consumer group."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeVar

from aiokafka.client import AIOKafkaClient

from agent_runs.settings import KafkaSettings
from consumer.errors import Unavailable
from consumer.kafka.client_options import client_options
from consumer.kafka.errors import CLIENT_ERRORS, REQUEST_TIMEOUT_S, answered_within
from consumer.settings import CLIENT_ID

_T = TypeVar("_T")
_CLOSE_TIMEOUT_S: Final = 1.0
_METADATA_MAX_AGE_MS: Final = 30_000  # how soon added partitions are noticed


class RequestClient:
    """A Kafka client that connects at the first call, and again after an error.

    Several tasks may use it at the same time: calls wait for each other.

    Args:
        kafka: how to reach the brokers.
        topics: the topics whose partitions and leaders the client must know.
        timeout_s: how long a call may take; at most 10 seconds are waited.
    """

    def __init__(self, kafka: KafkaSettings, *topics: str, timeout_s: float = REQUEST_TIMEOUT_S) -> None:
        self._kafka = kafka
        self._topics = topics
        self._timeout_s = min(timeout_s, REQUEST_TIMEOUT_S)
        self._client: AIOKafkaClient | None = None
        self._busy = asyncio.Lock()

    async def run(self, work: Callable[[AIOKafkaClient], Awaitable[_T]]) -> _T:
        """Return the result of `work`, which gets a connected client.

        Raises:
            Unavailable: a broker does not answer in time, or `work` has raised an error of the Kafka client.
            UsageError: a certificate or a private key cannot be loaded.
        """
        async with self._busy:
            try:
                async with answered_within(self._timeout_s):
                    return await work(await self._connected())
            except (Unavailable, asyncio.CancelledError):
                await self.close()  # the next call uses new connections and new metadata
                raise

    async def close(self) -> None:
        """Disconnect from Kafka. Errors are ignored. A later call connects again."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(*CLIENT_ERRORS):
                await asyncio.wait_for(client.close(), _CLOSE_TIMEOUT_S)

    async def _connected(self) -> AIOKafkaClient:
        if self._client is None:
            options = client_options(self._kafka, CLIENT_ID)
            self._client = AIOKafkaClient(**options, metadata_max_age_ms=_METADATA_MAX_AGE_MS)
            await self._client.bootstrap()
            if self._topics:
                await self._client.set_topics(self._topics)
        return self._client
