"""A model of AIOKafkaConsumer in a consumer group.

It reproduces the behaviour of aiokafka 0.14, pitfalls included:

- An assignment is active before `on_partitions_assigned` is called, and starts at the group's committed offsets.
- `getmany` waits for the end of a rebalance and then returns records of the new assignment.
- Returned records move the partition's position, whichever call of `getmany` fetched them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaConnectionError, KafkaError, NoOffsetForPartitionError

from consumer.runtime.cancellation import cancel_all
from tests.simulation.environment import Environment, current_environment
from tests.simulation.kafka.topic import TOPIC, LogRecord

FETCH_S = (0.005, 0.1)
RESPONSE_ENTRIES = (1, 15)
LISTENER_DELAY_S = (0.0, 0.05)


class State:
    """The fetch state of one assigned partition."""

    def __init__(self) -> None:
        self.position: int | None = None
        self.paused = False
        self.stable: int | None = None


class Assignment:
    """The partitions assigned in one generation of the group."""

    def __init__(self, partitions: Iterable[TopicPartition]) -> None:
        self.states = {partition: State() for partition in partitions}
        self.active = True


class Response(NamedTuple):
    """Records prefetched from one partition, from `position` to before `next_position`."""

    assignment: Assignment
    position: int
    records: list[LogRecord]
    next_position: int


class ModelConsumer:
    """A group member with the interface of AIOKafkaConsumer. No quota delays its fetches."""

    is_throttled = False

    def __init__(self, **options: Any) -> None:
        self._env: Environment = current_environment()
        self.session_s: float = options["session_timeout_ms"] / 1000
        self.rebalance_s: float = options["rebalance_timeout_ms"] / 1000
        self._heartbeat_s: float = options["heartbeat_interval_ms"] / 1000
        self._assignment: Assignment | None = None
        self._reassigning = True
        self._assigned = asyncio.Event()
        self._arrived = asyncio.Event()
        self._rejoin = asyncio.Event()
        self._responses: dict[TopicPartition, Response | KafkaError] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.fetch_errors: list[KafkaError] = []
        self._env.clients.append(self)

    # --- the interface that the service uses ---

    async def start(self) -> None:
        await self._env.network_delay()
        self._env.require_broker()

    def subscribe(self, topics: list[str], listener: Any) -> None:
        assert topics == [TOPIC]
        work = (self._coordinate(listener), self._send_heartbeats(), self._fetch_ahead())
        self._tasks = [asyncio.create_task(part) for part in work]

    async def stop(self) -> None:
        if self in self._env.clients:
            self._env.clients.remove(self)
        await cancel_all(self._tasks)
        await self._env.wait_for_broker()  # aiokafka waits for an unreachable broker without a deadline
        self._env.group.leave(self)

    def pause(self, *partitions: TopicPartition) -> None:
        for partition in partitions:
            self._state(partition).paused = True

    def resume(self, *partitions: TopicPartition) -> None:
        for partition in partitions:
            self._state(partition).paused = False

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._state(partition).position = offset

    async def position(self, partition: TopicPartition) -> int:
        while (position := self._state(partition).position) is None:  # noqa: ASYNC110  # as aiokafka does
            await asyncio.sleep(0.01)
        return position

    def last_stable_offset(self, partition: TopicPartition) -> int | None:
        assert self._assignment is not None
        assert partition in self._assignment.states, "Partition is not assigned"
        return self._assignment.states[partition].stable

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        await self._env.network_delay()
        await self._env.wait_for_broker()  # aiokafka retries until the broker answers
        self._env.group.commit(self, {partition.partition: offset for partition, offset in offsets.items()})

    async def getmany(
        self, *wanted: TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[LogRecord]]:
        until = self._env.now() + timeout_ms / 1000
        while True:
            while self._reassigning:
                await self._assigned.wait()  # `timeout_ms` does not bound this
            if self.fetch_errors:
                raise self.fetch_errors.pop(0)
            if drained := self._drain(wanted, max_records):
                return drained
            left_s = until - self._env.now()
            if left_s <= 0:
                return {}
            self._arrived.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), left_s)

    # --- background tasks ---

    def _state(self, partition: TopicPartition) -> State:
        if self._assignment is None or partition not in self._assignment.states:
            raise IllegalStateError(f"Partition {partition} is not assigned")
        return self._assignment.states[partition]

    def _drain(self, wanted: Iterable[TopicPartition], most: int) -> dict[TopicPartition, list[LogRecord]]:
        drained: dict[TopicPartition, list[LogRecord]] = {}
        for partition in list(self._responses):
            if partition not in wanted or most <= 0:
                continue
            response = self._responses.pop(partition)
            if isinstance(response, KafkaError):
                if drained:
                    self._responses[partition] = response
                    return drained
                raise response
            taken = self._take(partition, response, most)
            most -= len(taken)
            if taken:
                drained[partition] = taken
        return drained

    def _take(self, partition: TopicPartition, response: Response, most: int) -> list[LogRecord]:
        """Up to `most` records, if the partition's position is that of the response. Advances the position."""
        if not response.assignment.active:
            return []
        state = response.assignment.states[partition]
        if state.paused or state.position != response.position:
            return []
        taken, left = response.records[:most], response.records[most:]
        state.position = taken[-1].offset + 1 if left else response.next_position
        if left:
            self._responses[partition] = Response(response.assignment, state.position, left, response.next_position)
        return taken

    async def _coordinate(self, listener: Any) -> None:
        while True:
            self._rejoin.clear()
            self._reassigning = True
            self._assigned.clear()
            await self._call_listener(
                listener.on_partitions_revoked(list(self._assignment.states if self._assignment else ()))
            )
            numbers = await self._join()
            if self._assignment is not None:
                self._assignment.active = False
            partitions = [TopicPartition(TOPIC, number) for number in numbers]
            self._assignment = Assignment(partitions)
            self._reassigning = False
            self._assigned.set()
            await self._env.random_delay(LISTENER_DELAY_S)
            await self._call_listener(listener.on_partitions_assigned(partitions))
            await self._rejoin.wait()

    async def _call_listener(self, call: Any) -> None:
        try:
            await call
        except Exception as error:  # noqa: BLE001  # aiokafka logs it; the service's listener must not raise
            self._env.problems.append(f"a rebalance listener raised {error!r}")

    async def _join(self) -> list[int]:
        while True:
            await self._env.network_delay()
            with suppress(KafkaConnectionError):
                return await self._env.group.join(self)

    async def _send_heartbeats(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            with suppress(KafkaConnectionError):
                if not self._reassigning and not self._env.group.heartbeat(self):
                    self._rejoin.set()

    async def _fetch_ahead(self) -> None:
        while True:
            assignment = self._assignment
            states = assignment.states if assignment is not None else {}
            asked = {
                partition: state.position
                for partition, state in states.items()
                if not state.paused and partition not in self._responses
            }
            await self._env.random_delay(FETCH_S)  # the assignment and positions may change meanwhile
            if assignment is not None and self._env.group.available:
                for partition, position in asked.items():
                    self._receive(assignment, partition, position)

    def _receive(self, assignment: Assignment, partition: TopicPartition, position: int | None) -> None:
        state = assignment.states[partition]
        if not assignment.active or state.position != position:
            return
        if position is None:
            state.position = self._env.group.committed.get(partition.partition)
            if state.position is None:
                self._respond(partition, NoOffsetForPartitionError(partition))
            return
        log = self._env.logs[partition.partition]
        try:
            records, next_position = log.read(position, self._env.rng.randint(*RESPONSE_ENTRIES))
        except KafkaError as error:
            self._respond(partition, error)
            return
        state.stable = log.end_offset
        if next_position > position:
            self._respond(partition, Response(assignment, position, records, next_position))

    def _respond(self, partition: TopicPartition, response: Response | KafkaError) -> None:
        self._responses[partition] = response
        self._arrived.set()
