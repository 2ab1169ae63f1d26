"""One partition's records, in order: a batch at a time, each until it is acknowledged."""

import asyncio
from collections import deque
from itertools import islice
from typing import Final

from agent_runs.emitter.delivery_state import Work
from agent_runs.emitter.producer import Producer
from agent_runs.emitter.records import Record
from agent_runs.errors import TooLargeForTopic

_MOST_RECORDS: Final = 10_000  # of one batch; its bytes are bounded by the producer


class Partition:
    """What a session has for one partition.

    Attributes:
        records: taken from the outbox, and not settled.
    """

    def __init__(self, number: int, producer: Producer, work: Work) -> None:
        self.records: deque[Record] = deque()
        self._number = number
        self._producer = producer
        self._work = work
        self._limit = _MOST_RECORDS
        self._sending: asyncio.Task[None] | None = None

    def send_with(self, tasks: asyncio.TaskGroup) -> None:
        """See that somebody sends what there is. The task raises KafkaUnavailable when it is not acknowledged."""
        if self.records and (self._sending is None or self._sending.done()):
            self._sending = tasks.create_task(self._send_all())

    def cancel(self) -> None:
        """Stop in the middle; what is not acknowledged stays in `records`."""
        if self._sending is not None:
            self._sending.cancel()

    async def _send_all(self) -> None:
        while self.records:
            await self._send_batch()

    async def _send_batch(self) -> None:
        limit = min(self._limit, len(self.records))
        try:
            # One batch at a time: were the next on its way already, a retry of this one would come behind it.
            acknowledged = await self._producer.send(self._number, islice(self.records, limit))
        except TooLargeForTopic:
            self._narrow(limit)
        else:
            self._limit = min(2 * self._limit, _MOST_RECORDS)
            self._work.acknowledged([self.records.popleft() for _ in range(acknowledged)])

    def _narrow(self, limit: int) -> None:
        """Halve the batches, until the record that is too large is alone; then the run gets a marker in its place."""
        self._limit = max(1, limit // 2)
        if limit == 1:
            substitute = self._work.outbox.replace(self.records.popleft())
            if substitute is not None:
                self.records.appendleft(substitute)
