"""The Kafka clients that the service uses: the group's, and the one that reads beside it.

What the group's client does to its users is taken over from aiokafka 0.14, traps and all: an assignment is active
before its listener has heard of it, and may begin where the group's advice says; a fetch waits out a rebalance and
then returns records of the new assignment; positions move with what is returned, whoever asked for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaConnectionError, KafkaError, NoOffsetForPartitionError

from consumer.errors import Unavailable
from consumer.kafka.topic_reader import Bounds, TopicReader
from consumer.runtime.tasks import cancel_all
from tests.simulation.topic import NAME, LogRecord
from tests.simulation.world import World, the_world

FETCH_S = (0.005, 0.1)
RESPONSE_ENTRIES = (1, 15)
BEFORE_THE_LISTENER_S = (0.0, 0.05)
TIMEOUT_S = (0.2, 1.0)


class State:
    """Where one assigned partition stands."""

    def __init__(self) -> None:
        self.position: int | None = None
        self.paused = False
        self.stable: int | None = None


class Assignment:
    """The partitions of one generation of the group."""

    def __init__(self, partitions: Iterable[TopicPartition]) -> None:
        self.states = {partition: State() for partition in partitions}
        self.active = True


class Response(NamedTuple):
    """What was fetched ahead of one partition, from a position on."""

    assignment: Assignment
    position: int
    records: list[LogRecord]
    ends: int


class ModelConsumer:
    """A member of the group, as AIOKafkaConsumer is one."""

    def __init__(self, **options: Any) -> None:
        self._world: World = the_world()
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
        self.troubles: list[KafkaError] = []
        self._world.clients.append(self)

    # --- what the service calls ---

    async def start(self) -> None:
        await self._world.hop()
        self._world.require_broker()

    def subscribe(self, topics: list[str], listener: Any) -> None:
        assert topics == [NAME]
        work = (self._coordinate(listener), self._beat(), self._fetch_ahead())
        self._tasks = [asyncio.create_task(part) for part in work]

    async def stop(self) -> None:
        if self in self._world.clients:
            self._world.clients.remove(self)
        await cancel_all(self._tasks)
        await self._world.broker_back()  # it waits for a broker that is gone, without a deadline
        self._world.group.leave(self)

    def pause(self, *partitions: TopicPartition) -> None:
        for partition in partitions:
            self._state(partition).paused = True

    def resume(self, *partitions: TopicPartition) -> None:
        for partition in partitions:
            self._state(partition).paused = False

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._state(partition).position = offset

    async def position(self, partition: TopicPartition) -> int:
        while (position := self._state(partition).position) is None:  # noqa: ASYNC110  # as the client does
            await asyncio.sleep(0.01)
        return position

    def last_stable_offset(self, partition: TopicPartition) -> int | None:
        assert self._assignment is not None
        assert partition in self._assignment.states, "Partition is not assigned"
        return self._assignment.states[partition].stable

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        await self._world.hop()
        await self._world.broker_back()  # it tries again for as long as that takes
        self._world.group.commit(self, {partition.partition: offset for partition, offset in offsets.items()})

    async def getmany(
        self, *wanted: TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[LogRecord]]:
        until = self._world.now() + timeout_ms / 1000
        while True:
            while self._reassigning:
                await self._assigned.wait()  # `timeout_ms` does not bound this
            if self.troubles:
                raise self.troubles.pop(0)
            if drained := self._drain(wanted, max_records):
                return drained
            left_s = until - self._world.now()
            if left_s <= 0:
                return {}
            self._arrived.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), left_s)

    # --- its background ---

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
        """The records, if the partition still stands where they begin; then it stands behind them."""
        if not response.assignment.active:
            return []
        state = response.assignment.states[partition]
        if state.paused or state.position != response.position:
            return []
        taken, left = response.records[:most], response.records[most:]
        state.position = taken[-1].offset + 1 if left else response.ends
        if left:
            self._responses[partition] = Response(response.assignment, state.position, left, response.ends)
        return taken

    async def _coordinate(self, listener: Any) -> None:
        while True:
            self._rejoin.clear()
            self._reassigning = True
            self._assigned.clear()
            await self._tell(listener.on_partitions_revoked(list(self._assignment.states if self._assignment else ())))
            numbers = await self._join()
            if self._assignment is not None:
                self._assignment.active = False
            partitions = [TopicPartition(NAME, number) for number in numbers]
            self._assignment = Assignment(partitions)
            self._reassigning = False
            self._assigned.set()
            await self._world.pause(BEFORE_THE_LISTENER_S)
            await self._tell(listener.on_partitions_assigned(partitions))
            await self._rejoin.wait()

    async def _tell(self, listening: Any) -> None:
        try:
            await listening
        except Exception as error:  # noqa: BLE001  # as aiokafka does; but a listener of ours that raises is a finding
            self._world.problems.append(f"a listener raised {error!r}")

    async def _join(self) -> list[int]:
        while True:
            await self._world.hop()
            with suppress(KafkaConnectionError):
                return await self._world.group.join(self)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            with suppress(KafkaConnectionError):
                if not self._reassigning and not self._world.group.heartbeat(self):
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
            await self._world.pause(FETCH_S)  # meanwhile anything may happen to what was asked
            if assignment is not None and self._world.group.available:
                for partition, position in asked.items():
                    self._receive(assignment, partition, position)

    def _receive(self, assignment: Assignment, partition: TopicPartition, position: int | None) -> None:
        state = assignment.states[partition]
        if not assignment.active or state.position != position:
            return
        if position is None:
            state.position = self._world.group.committed.get(partition.partition)
            if state.position is None:
                self._respond(partition, NoOffsetForPartitionError(partition))
            return
        log = self._world.logs[partition.partition]
        try:
            records, ends = log.read(position, self._world.rng.randint(*RESPONSE_ENTRIES))
        except KafkaError as error:
            self._respond(partition, error)
            return
        state.stable = log.ends
        if ends > position:
            self._respond(partition, Response(assignment, position, records, ends))

    def _respond(self, partition: TopicPartition, response: Response | KafkaError) -> None:
        self._responses[partition] = response
        self._arrived.set()


class ModelLog(TopicReader):
    """The client beside the group."""

    def __init__(self, world: World) -> None:
        self._world = world

    @classmethod
    async def open(cls, kafka: Any, topic: str) -> ModelLog:
        assert topic == NAME
        log = cls(the_world())
        await log._answer_comes()
        return log

    async def close(self) -> None: ...

    async def bounds(self, partitions: Iterable[int]) -> dict[int, Bounds]:
        numbers = list(partitions)
        await self._answer_comes()
        begins = {number: self._world.logs[number].begins for number in numbers}
        await self._answer_comes()
        return {number: Bounds(begins[number], self._world.logs[number].ends) for number in numbers}

    async def timestamp_at(self, partition: int, offset: int) -> int | None:
        await self._answer_comes()
        log = self._world.logs[partition]
        if not log.begins <= offset < log.ends:
            raise Unavailable("Kafka: no answer about that record")
        record = log.at(offset)
        return None if record is None else record.timestamp

    async def _answer_comes(self) -> None:
        await self._world.hop()
        if not self._world.group.available:
            await self._world.pause(TIMEOUT_S)
            raise Unavailable("Kafka: no answer")
