"""Kafka's producer, as far as the emitter trusts it: it batches, compresses, and tries again for a while.

Deadlines, bounds, and a new producer in place of one that is stuck are the emitter's own: aiokafka waits in `stop()`
without limit, and a failure of one batch can leave a producer that never sends again.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    NodeNotReadyError,
    RecordListTooLargeError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.partitioner import murmur2
from aiokafka.protocol.metadata import MetadataRequest

from agent_runs.emitter.hush import hush, last_words
from agent_runs.emitter.records import Record
from agent_runs.emitter.settings import Config
from agent_runs.errors import KafkaUnavailable, TooLargeForTopic
from agent_runs.kafka_options import client_options

_CLIENT_ID: Final = "agent-runs-emitter"
# Below the 1 MiB that a topic takes by default; a larger record goes in a batch of its own.
_BATCH_BYTES: Final = 512 * 1024
_STOP_TIMEOUT_S: Final = 0.2


class Producer:
    """One client, connected, for one topic."""

    def __init__(self, client: AIOKafkaProducer, topic: str, partitions: int, timeout_s: float) -> None:
        self._client = client
        self._topic = topic
        self._timeout_s = timeout_s
        # Keys of active runs come again and again, and murmur2 in Python takes a while.
        self.partition_of = lru_cache(maxsize=10_000)(lambda key: int(murmur2(key) & 0x7FFFFFFF) % partitions)

    async def send(self, partition: int, records: Iterable[Record]) -> int:
        """Send as many as one batch holds, at least one. Returns how many all in-sync replicas now have.

        Raises:
            TooLargeForTopic: the batch is larger than the topic allows.
            KafkaUnavailable: not acknowledged; some may be in the log all the same.
        """
        batch = self._client.create_batch()
        size = 0
        for record in records:
            if batch.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers)) is None:
                break
            size += 1
        async with _translated(self._timeout_s):
            await (await self._client.send_batch(batch, self._topic, partition=partition))
        return size


@asynccontextmanager
async def open_producer(config: Config) -> AsyncIterator[Producer]:
    """A producer for as long as the block lasts; what is not acknowledged at its end is given up.

    Raises:
        KafkaUnavailable: no broker answers as it should, or the topic is not there.
    """
    hush()
    topic, timeout_s = config.emitter.topic, config.emitter.request_timeout_s
    async with _translated(2 * timeout_s):
        client = _make_client(config)
    try:
        async with _translated(2 * timeout_s):
            await client.start()
            partitions = await _count_partitions(client, topic)
        # aiokafka tries a batch again for one timeout, and may then wait for the last answer for another.
        yield Producer(client, topic, partitions, 3 * timeout_s)
    finally:
        with suppress(KafkaError, OSError):  # nothing of ours depends on a clean end
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                await client.stop()


def _make_client(config: Config) -> AIOKafkaProducer:
    # Not idempotent: such a producer never gives a batch up, and after an error of one it is of no more use. What is
    # sent twice is stored once, by its event's id; the order of a run holds since a partition has one batch on its way.
    return AIOKafkaProducer(
        **client_options(config.kafka, _CLIENT_ID),
        acks="all",
        compression_type="lz4",
        max_batch_size=_BATCH_BYTES,
        request_timeout_ms=int(config.emitter.request_timeout_s * 1000),
    )


async def _count_partitions(client: AIOKafkaProducer, topic: str) -> int:
    # By a request of our own: the one by which aiokafka looks would make a missing topic, with the broker's defaults.
    request = MetadataRequest([topic], allow_auto_topic_creation=False)
    response = await client.client.send(client.client.get_random_node(), request)
    ((code, _, _, partitions),) = response.topics
    if for_code(code) is UnknownTopicOrPartitionError:
        raise KafkaUnavailable(f"topic {topic!r} does not exist: make it with `python -m consumer create-topic`")
    if code:
        raise for_code(code)(topic)
    return len(partitions)


@asynccontextmanager
async def _translated(timeout_s: float) -> AsyncIterator[None]:
    """The one place where errors of aiokafka become ours."""
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except (MessageSizeTooLargeError, RecordListTooLargeError) as error:
        raise TooLargeForTopic(str(error)) from error
    except TimeoutError as error:
        raise KafkaUnavailable(f"no answer within {timeout_s:g} s") from error
    except (KafkaConnectionError, NodeNotReadyError) as error:  # which the client has explained to its log
        raise KafkaUnavailable(last_words() or str(error)) from error
    except (KafkaError, OSError, ValueError) as error:  # ValueError: settings that aiokafka finds wrong
        raise KafkaUnavailable(str(error) or repr(error)) from error
