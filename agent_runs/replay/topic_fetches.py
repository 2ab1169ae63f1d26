"""Requests the record batches of a topic's partitions from their leaders, ahead of their decoding."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Final, NamedTuple

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, OffsetOutOfRangeError, for_code
from aiokafka.protocol.fetch import FetchRequest

_READ_COMMITTED: Final = 1
_PARTITION_BYTES: Final = 1024 * 1024
_RESPONSE_BYTES: Final = 4 * 1024 * 1024
_MAX_WAIT_MS: Final = 500
_RETRY_S: Final = 0.2
_WITH_REPLICA: Final = 11  # from this version of the response on, another field precedes the batches


class Fetched(NamedTuple):
    """The response of a leader for one partition.

    Attributes:
        partition: the partition's number.
        offset: the offset that was requested.
        data: record batches; the last one may be incomplete.
        aborted: the producer id and the first offset of each aborted transaction.
        is_lost: the log does not have the offset.
    """

    partition: int
    offset: int
    data: bytes
    aborted: list[tuple[int, int]]
    is_lost: bool = False


class TopicFetches:
    """The outstanding requests to the leaders of a topic, at most one for each of them.

    A response has at most 4 MiB, 1 MiB for each partition; or one record batch if that is larger.

    Attributes:
        error: the last error after which a request is repeated.
    """

    def __init__(self, client: AIOKafkaClient, topic: str) -> None:
        self.error: Exception | None = None
        self._client = client
        self._topic = topic
        self._sent: dict[int, asyncio.Task[list[Fetched]]] = {}
        self._served_at: dict[int, float] = {}  # by partition

    def send(self, positions: Mapping[int, int]) -> None:
        """Request records from these offsets on, of leaders without an outstanding request."""
        wanted: defaultdict[int, list[tuple[int, int, int]]] = defaultdict(list)
        # A broker returns a large batch in full only for the first partition that has one.
        for partition in sorted(positions, key=lambda number: self._served_at.get(number, 0.0)):
            leader = self._client.cluster.leader_for_partition(TopicPartition(self._topic, partition))
            if leader is None or leader < 0:
                self._client.force_metadata_update()
            elif leader not in self._sent:
                wanted[leader].append((partition, positions[partition], _PARTITION_BYTES))
        for leader, partitions in wanted.items():
            self._sent[leader] = asyncio.create_task(self._request(leader, partitions))

    async def receive(self, timeout_s: float) -> list[Fetched]:
        """Return the next responses; none if there are none within `timeout_s`.

        Raises:
            KafkaError: a broker refuses a request, and a repetition would not help.
        """
        if not self._sent:
            await asyncio.sleep(timeout_s)
            return []
        done, _ = await asyncio.wait(self._sent.values(), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        self._sent = {leader: task for leader, task in self._sent.items() if task not in done}
        return [fetched for task in done for fetched in task.result()]

    def close(self) -> None:
        """Abandon the outstanding requests. Does not wait: the task may be cancelled already."""
        for task in self._sent.values():
            task.cancel()
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # or asyncio would log the error
        self._sent = {}

    async def _request(self, leader: int, partitions: list[tuple[int, int, int]]) -> list[Fetched]:
        topics = [(self._topic, partitions)]
        request = FetchRequest(_MAX_WAIT_MS, 1, _RESPONSE_BYTES, _READ_COMMITTED, topics)
        try:
            response = await self._client.send(leader, request)
        except (KafkaError, OSError) as error:
            await self._note(error)
            return []
        offsets = {partition: offset for partition, offset, _ in partitions}
        found = []
        for _, answers in response.topics:
            for partition, code, *fields in answers:
                error_class = for_code(code)
                if code and error_class is not OffsetOutOfRangeError:
                    await self._note(error_class(f"partition {partition}"))
                    continue
                aborted = fields[3 if response.API_VERSION >= _WITH_REPLICA else -2] or []
                is_lost = bool(code)
                found.append(Fetched(partition, offsets[partition], bytes(fields[-1] or b""), aborted, is_lost))
                if fields[-1]:
                    self._served_at[partition] = time.monotonic()
        return found

    async def _note(self, error: Exception) -> None:
        """Prepare to repeat a request after an error that a repetition may help against; raise any other one."""
        if isinstance(error, KafkaError) and not error.retriable:
            raise error
        self.error = error
        self._client.force_metadata_update()
        await asyncio.sleep(_RETRY_S)
