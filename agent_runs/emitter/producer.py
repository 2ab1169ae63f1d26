"""The Kafka producer of one session: aiokafka encodes and compresses batches, and retries them for a limited time.

The emitter adds its own timeouts and bounds, and replaces a producer that is stuck: `AIOKafkaProducer.stop()` waits
without limit, and after the failure of one batch a producer may never send again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import lru_cache
from threading import local
from time import monotonic
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from agent_runs.emitter.rate_limited_log import logger
from agent_runs.emitter.records import Record
from agent_runs.emitter.settings import Config
from agent_runs.errors import KafkaUnavailable, SettingsError, TooLargeForTopic
from agent_runs.kafka.failures import ConnectFailure, failure_behind, keep_failures, note_accepted
from agent_runs.kafka.options import client_options
from agent_runs.kafka.topics import partition_of_key, partitions_of

_CLIENT_ID: Final = "agent-runs-emitter"
# Below the 1 MiB that a topic accepts by default. A larger record goes in a batch of its own.
_BATCH_BYTES: Final = 512 * 1024
_STOP_TIMEOUT_S: Final = 0.2


class Producer:
    """A connected client for one topic."""

    def __init__(self, client: AIOKafkaProducer, topic: str, partitions: int, timeout_s: float) -> None:
        self._client = client
        self._topic = topic
        self._timeout_s = timeout_s
        # Cached, because the keys of active runs repeat, and murmur2 in Python is slow.
        self.partition_of = lru_cache(maxsize=10_000)(lambda key: partition_of_key(key, partitions))

    async def send(self, partition: int, records: Iterable[Record]) -> int:
        """Send as many records as fit into one batch, at least one. Returns how many all in-sync replicas have stored.

        Raises:
            TooLargeForTopic: the batch is larger than the topic allows.
            KafkaUnavailable: the batch was not acknowledged, but Kafka may have stored it.
        """
        batch = self._client.create_batch()
        size = 0
        for record in records:
            if batch.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers)) is None:
                break
            size += 1
        async with _translate_errors(self._timeout_s):
            await (await self._client.send_batch(batch, self._topic, partition=partition))
        return size


@asynccontextmanager
async def open_producer(config: Config) -> AsyncIterator[Producer]:
    """Connect a producer for the duration of the block. Batches not acknowledged at its end are abandoned.

    Raises:
        KafkaUnavailable: no broker accepts the connection, a setting is refused, or the topic does not exist.
    """
    topic, timeout_s = config.emitter.topic, config.emitter.request_timeout_s
    async with _translate_errors(2 * timeout_s):
        client = _make_client(config)
    with suppressed_client_logs():
        try:
            async with _translate_errors(2 * timeout_s):
                await client.start()
                partitions = len(await partitions_of(client.client, topic))
            note_accepted(config.kafka.bootstrap_servers)
            # aiokafka retries a batch for one timeout, and may then wait for the last answer for another one.
            yield Producer(client, topic, partitions, 3 * timeout_s)
        finally:
            with suppress(KafkaError, OSError):  # an abandoned producer need not end cleanly
                async with asyncio.timeout(_STOP_TIMEOUT_S):
                    await client.stop()


def _make_client(config: Config) -> AIOKafkaProducer:
    # Not idempotent: an idempotent producer never gives up a batch, and after the error of one it cannot be used any
    # more. A record that is sent twice is stored once, by the id of its event. The order of a run holds because a
    # partition has one batch in flight.
    return AIOKafkaProducer(
        **client_options(config.kafka, _CLIENT_ID),
        acks="all",
        compression_type="lz4",
        max_batch_size=_BATCH_BYTES,
        request_timeout_ms=int(config.emitter.request_timeout_s * 1000),
    )


@asynccontextmanager
async def _translate_errors(timeout_s: float) -> AsyncIterator[None]:
    """Raise errors of aiokafka, and the timeout, as errors of this library."""
    began_at = monotonic()
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except (MessageSizeTooLargeError, RecordListTooLargeError) as error:
        raise TooLargeForTopic(str(error)) from error
    except SettingsError as error:  # the file of a certificate, which may be replaced
        raise KafkaUnavailable(str(error)) from error
    except (KafkaError, OSError, ValueError) as error:  # ValueError: a setting that aiokafka does not accept
        raise KafkaUnavailable(_reason(error, timeout_s, failure_behind(error, began_at))) from error


def _reason(error: Exception, timeout_s: float, failure: ConnectFailure | None) -> str:
    if failure is not None:
        return str(failure)
    return f"no answer within {timeout_s:g} s" if isinstance(error, TimeoutError) else str(error) or repr(error)


@contextmanager
def suppressed_client_logs() -> Iterator[None]:
    """Suppress aiokafka's logs on this thread during the block.

    aiokafka logs every attempt to connect. The emitter logs an outage once, and other callers raise an error. If the
    logger `agent_runs` is at DEBUG, nothing is suppressed.
    """
    keep_failures()  # its filter must see the lines before they are suppressed
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == "aiokafka":
            logging.getLogger(name).addFilter(_is_shown)
    _thread.suppressing_blocks += 1
    try:
        yield
    finally:
        _thread.suppressing_blocks -= 1


class _Thread(local):
    """How many blocks suppress aiokafka's logs on a thread. Other threads of the agent may use aiokafka too."""

    suppressing_blocks = 0


_thread: Final = _Thread()


def _is_shown(_: logging.LogRecord) -> bool:
    return not _thread.suppressing_blocks or logger.isEnabledFor(logging.DEBUG)
