"""One session: connects a producer and sends records until the delivery is over or the producer fails.

A session has an event loop of its own. The tasks and sockets of a client that is stuck end with the loop. The next
session starts without them, and sends the records that were not acknowledged.
"""

import asyncio
from collections import deque
from itertools import chain, islice
from typing import Final

from agent_runs.emitter.delivery_state import DeliveryState
from agent_runs.emitter.event_loop import SessionLoop, Waker
from agent_runs.emitter.producer import Producer, open_producer, suppressed_client_logs
from agent_runs.emitter.records import Record
from agent_runs.errors import TooLargeForTopic

# The wait for more records after some were taken. A batch costs Kafka and this process as much as a hundred events.
_LINGER_S: Final = 0.005
_MAX_BATCH_RECORDS: Final = 10_000  # the producer bounds the bytes of a batch


def run_session(state: DeliveryState) -> None:
    """Connect and send records until the delivery is over.

    Raises:
        KafkaUnavailable: Kafka does not answer or refuses the records; this session has ended.
    """
    loop = SessionLoop()
    # The tasks of an abandoned client log until the loop is closed.
    with loop.run_beside_application(), suppressed_client_logs(), asyncio.Runner(loop_factory=lambda: loop) as runner:
        try:
            runner.run(_Session(state).run())
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
        finally:
            loop.abort_connections()


class _Session:
    def __init__(self, state: DeliveryState) -> None:
        self._state = state
        self._taken: deque[Record] = deque()
        self._partitions: dict[int, _Partition] = {}

    async def run(self) -> None:
        async with open_producer(self._state.config) as producer:
            waker = self._state.waker = Waker(asyncio.get_running_loop())
            self._state.in_flight = self._unacknowledged
            try:
                async with asyncio.TaskGroup() as tasks:
                    while not self._state.must_end:
                        await self._send_or_wait(producer, waker, tasks)
                    for partition in self._partitions.values():
                        partition.cancel()
            finally:
                self._state.waker = None
                self._state.backlog = self._unacknowledged()
                self._state.in_flight = None

    def _unacknowledged(self) -> list[Record]:
        records = [list(partition.records) for partition in list(self._partitions.values())]
        return [*chain.from_iterable(records), *list(self._taken)]

    async def _send_or_wait(self, producer: Producer, waker: Waker, tasks: asyncio.TaskGroup) -> None:
        """Distribute new records to their partitions. If there are none, wait for some or for the delivery's end."""
        self._taken.extend(self._state.take())
        if not self._taken:
            await waker.wait_unless(lambda: self._state.must_end or self._state.queue.has_waiting)
            return
        while self._taken:
            number = producer.partition_of(self._taken[0].key)
            if number not in self._partitions:
                self._partitions[number] = _Partition(number, producer, self._state)
            self._partitions[number].records.append(self._taken.popleft())
        for partition in self._partitions.values():
            partition.ensure_sending(tasks)
        await asyncio.sleep(_LINGER_S)


class _Partition:
    """Sends the records of one partition in order: each batch after the one before it is acknowledged.

    Attributes:
        records: the partition's records that were taken from the queue and are not acknowledged.
    """

    def __init__(self, number: int, producer: Producer, state: DeliveryState) -> None:
        self.records: deque[Record] = deque()
        self._number = number
        self._producer = producer
        self._state = state
        self._max_records = _MAX_BATCH_RECORDS
        self._task: asyncio.Task[None] | None = None

    def ensure_sending(self, tasks: asyncio.TaskGroup) -> None:
        """Start a task that sends the records, unless one runs. The task raises `KafkaUnavailable` on a failure."""
        if self.records and (self._task is None or self._task.done()):
            self._task = tasks.create_task(self._send_all())

    def cancel(self) -> None:
        """Cancel the task; records that are not acknowledged stay in `records`."""
        if self._task is not None:
            self._task.cancel()

    async def _send_all(self) -> None:
        while self.records:
            await self._send_batch()

    async def _send_batch(self) -> None:
        count = min(self._max_records, len(self.records))
        try:
            # One batch at a time: if the next one were already sent, a retry of this one would arrive after it.
            acknowledged = await self._producer.send(self._number, islice(self.records, count))
        except TooLargeForTopic:
            self._shrink_batches(count)
        else:
            self._max_records = min(2 * self._max_records, _MAX_BATCH_RECORDS)
            self._state.acknowledge([self.records.popleft() for _ in range(acknowledged)])

    def _shrink_batches(self, count: int) -> None:
        """Halve the next batch. If the batch was a single record, replace that record by a marker."""
        self._max_records = max(1, count // 2)
        if count == 1:
            marker = self._state.queue.replace(self.records.popleft())
            if marker is not None:
                self.records.appendleft(marker)
