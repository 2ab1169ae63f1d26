"""The life of one producer: from connecting to the first failure that is not about a record.

A loop of its own goes with it. Whatever a client leaves behind that is stuck, its tasks and its sockets, ends with the
loop, and the next session begins clean; what was not acknowledged goes into the next one.
"""

import asyncio
from collections import deque
from itertools import chain
from typing import Final

from agent_runs.emitter.bell import Bell
from agent_runs.emitter.delivery_state import Work
from agent_runs.emitter.event_loop import Loop
from agent_runs.emitter.partition import Partition
from agent_runs.emitter.producer import Producer, open_producer
from agent_runs.emitter.records import Record

# After taking what there is, wait a moment for more: a batch costs Kafka, and us, as much as a hundred events.
_LINGER_S: Final = 0.005


def run_session(work: Work) -> None:
    """Send what there is, until it is over.

    Raises:
        KafkaUnavailable: the producer is of no more use.
    """
    loop = Loop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        try:
            runner.run(_Session(work).run())
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
        finally:
            loop.cut()


class _Session:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._taken: deque[Record] = deque()
        self._partitions: dict[int, Partition] = {}

    async def run(self) -> None:
        async with open_producer(self._work.config) as producer:
            bell = self._work.bell = Bell(asyncio.get_running_loop())
            try:
                async with asyncio.TaskGroup() as tasks:
                    while not self._work.is_over:
                        await self._carry_on(producer, bell, tasks)
                    for partition in self._partitions.values():
                        partition.cancel()
            finally:
                self._work.bell = None
                unsettled = chain.from_iterable(partition.records for partition in self._partitions.values())
                self._work.backlog = [*unsettled, *self._taken]

    async def _carry_on(self, producer: Producer, bell: Bell, tasks: asyncio.TaskGroup) -> None:
        """Give each partition what is new for it, or sleep until there is something."""
        self._taken.extend(self._work.take())
        if not self._taken:
            await bell.sleep_unless(lambda: self._work.is_over or self._work.outbox.has_waiting)
            return
        while self._taken:
            number = producer.partition_of(self._taken[0].key)
            if number not in self._partitions:
                self._partitions[number] = Partition(number, producer, self._work)
            self._partitions[number].records.append(self._taken.popleft())
        for partition in self._partitions.values():
            partition.send_with(tasks)
        await asyncio.sleep(_LINGER_S)
