"""Copies the records of a topic to another topic, byte for byte."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidTimestampError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)
from msgspec import Struct

from agent_runs.codec.records import Reason
from agent_runs.errors import KafkaUnavailable, TooLargeForTopic
from agent_runs.kafka.failures import failure_behind
from agent_runs.kafka.options import client_options
from agent_runs.kafka.topics import partition_of_key, partitions_of
from agent_runs.replay.topic_items import Batch, Copied, Progress, Skipped, TopicEvent, TopicItem
from agent_runs.settings import KafkaSettings

_CLIENT_ID: Final = "agent-runs-replay"
_BATCH_BYTES: Final = 512 * 1024
_MAX_RECORD_BYTES: Final = 2**31 - 1  # the limit of the target topic counts
_ACKNOWLEDGED_S: Final = 60.0  # an idempotent producer of aiokafka retries without end
_CHUNKS_PER_S: Final = 10  # of a limited rate
_STOP_S: Final = 1.0


class Route(Struct, frozen=True, kw_only=True):
    """From where to where records are copied, and how fast.

    Attributes:
        kafka: how to reach Kafka.
        source: the name of the topic that is read.
        target: the name of the topic that is written.
        rate: how many records a second at most; None: no limit.
    """

    kafka: KafkaSettings
    source: str
    target: str
    rate: float | None


async def copy_records(
    route: Route,
    batches: AsyncGenerator[Batch, None],
    on_progress: Callable[[Copied], None] | None,
) -> Copied:
    """Copy the records of batches that `read_batches` reads; see `TopicReading.copy_to`."""
    if route.target == route.source:
        raise ValueError(f"the topic {route.target!r} cannot be copied to itself")
    report = on_progress or (lambda _: None)
    async with _open_producer(route.kafka) as producer, aclosing(batches):
        partitions = len(await partitions_of(producer.client, route.target))
        is_alike = partitions == len(await partitions_of(producer.client, route.source))
        copy = _Copy(producer, route, partitions, is_alike=is_alike)
        async for items, progress in batches:
            for chunk in copy.chunks(list(items)):
                is_cancelled = await copy.send(chunk)
                report(copy.copied(progress))
                if is_cancelled:  # now the positions are those of all records that the target has
                    raise asyncio.CancelledError
            report(copy.pass_to(progress))
    return copy.copied(progress)


class _Copy:
    """Sends records to the target topic, and counts them.

    Args:
        producer: connected.
        route: the target, and the rate.
        partitions: how many the target has.
        is_alike: the source has as many partitions.
    """

    def __init__(self, producer: AIOKafkaProducer, route: Route, partitions: int, *, is_alike: bool) -> None:
        self._producer = producer
        self._target = route.target
        self._rate = route.rate
        self._partitions = partitions
        self._is_alike = is_alike
        self._next_at = time.monotonic()
        self._copied = 0
        self._positions: dict[int, int] = {}
        self._skipped: list[Skipped] = []

    def chunks(self, items: Sequence[TopicItem]) -> Sequence[Sequence[TopicItem]]:
        """Split a batch so that a limited rate is even."""
        size = len(items) if self._rate is None else max(1, int(self._rate / _CHUNKS_PER_S))
        return [items[at : at + size] for at in range(0, len(items), max(1, size))]

    async def send(self, items: Sequence[TopicItem]) -> bool:
        """Send records in order; return when all in-sync replicas have stored them.

        Returns:
            Whether the task was cancelled meanwhile.
        """
        readable = [item for item in items if isinstance(item, TopicEvent) or item.reason is not Reason.UNREADABLE]
        await self._wait(len(readable))
        is_cancelled = await _finish(asyncio.ensure_future(self._send_all(readable)))
        self._copied += len(readable)
        for item in items:
            self._positions[item.partition] = item.offset + 1
            if not isinstance(item, TopicEvent) and item.reason is Reason.UNREADABLE:
                self._skipped.append(Skipped(item.partition, item.offset, item.detail))
        return is_cancelled

    def pass_to(self, progress: Progress) -> Copied:
        """Pass over offsets without a record, such as transaction markers, after the records of a batch were sent."""
        self._positions |= progress.positions
        return self.copied(progress)

    def copied(self, progress: Progress) -> Copied:
        """Return what is copied so far."""
        return Copied(
            dict(self._positions),
            progress.starts,
            progress.ends,
            progress.lost,
            progress.records,
            copied=self._copied,
            skipped=tuple(self._skipped),
        )

    async def _wait(self, records: int) -> None:
        if self._rate is None:
            return
        await asyncio.sleep(max(0.0, self._next_at - time.monotonic()))
        self._next_at = max(self._next_at, time.monotonic()) + records / self._rate

    async def _send_all(self, items: Sequence[TopicItem]) -> None:
        began_at = time.monotonic()
        try:
            async with asyncio.timeout(_ACKNOWLEDGED_S):
                sent = [await self._send(item) for item in items]
                for future in sent:
                    await future
        except (KafkaError, OSError, TimeoutError) as error:
            raise _translated(error, began_at, self._target) from error

    async def _send(self, item: TopicItem) -> Any:
        key = item.run_id.encode() if isinstance(item, TopicEvent) else item.key
        return await self._producer.send(
            self._target,
            item.value,
            key,
            self._partition(item.partition, key),
            item.timestamp_ms,
            list(item.headers),
        )

    def _partition(self, source: int, key: bytes | None) -> int:
        if self._is_alike:
            return source
        return source % self._partitions if key is None else partition_of_key(key, self._partitions)


async def _finish(sending: "asyncio.Future[None]") -> bool:
    """Wait for records to be stored. If this task is cancelled meanwhile, still wait, and return True."""
    try:
        await asyncio.shield(sending)
    except asyncio.CancelledError:
        await sending
        return True
    return False


def _translated(error: Exception, began_at: float, target: str) -> Exception:
    if isinstance(error, (MessageSizeTooLargeError, RecordListTooLargeError)):
        return TooLargeForTopic(f"the topic {target!r} refuses a record: raise its max.message.bytes: {error}")
    if isinstance(error, InvalidTimestampError):
        remedy = "raise its message.timestamp.before.max.ms, or set message.timestamp.type=LogAppendTime"
        return KafkaUnavailable(f"the topic {target!r} refuses the timestamp of a record: {remedy}")
    reason = f"nothing was acknowledged for {_ACKNOWLEDGED_S:g} s" if isinstance(error, TimeoutError) else repr(error)
    return KafkaUnavailable(f"the topic {target!r}: {failure_behind(error, began_at) or reason}")


@asynccontextmanager
async def _open_producer(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaProducer]:
    began_at = time.monotonic()
    # Not the producer of the emitter, which sends a batch again after a lost acknowledgement: idempotent, because a
    # copy must not repeat records that the source has once.
    producer = AIOKafkaProducer(
        **client_options(kafka, _CLIENT_ID),
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        max_batch_size=_BATCH_BYTES,
        max_request_size=_MAX_RECORD_BYTES,
    )
    try:
        try:
            await producer.start()
        except (KafkaError, OSError) as error:
            raise KafkaUnavailable(str(failure_behind(error, began_at) or repr(error))) from error
        yield producer
    finally:
        with suppress(KafkaError, OSError, TimeoutError):  # what was not acknowledged is abandoned
            async with asyncio.timeout(_STOP_S):
                await producer.stop()
