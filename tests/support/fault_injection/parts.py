"""The consumer's parts, each of whose steps can be the last."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import wraps
from inspect import getmembers, iscoroutinefunction
from typing import Any, Final

from agent_runs.settings import KafkaSettings
from consumer.config import TopicConfig
from consumer.ingest.transaction import Transaction
from consumer.kafka.group_consumer import Fetched, GroupConsumer
from consumer.model.claims import Claim
from consumer.model.records import Event
from consumer.postgres.store import Store
from consumer.service import Parts
from tests.support.fault_injection.fault import Faults, Silence

# All that can be said within a transaction, so that a statement which is added tomorrow is killed at tomorrow.
STATEMENTS: Final = [name for name, _ in getmembers(Transaction, iscoroutinefunction) if not name.startswith("_")]
STEPS: Final = ["fetch", "begin", *STATEMENTS, "commit", "advise"]


def breakable_parts(faults: Faults) -> Parts:
    """A source and a transaction that tell `faults` of each step. BEGIN and COMMIT are the store's: see there."""
    _break_store(faults)
    return Parts(source=_breakable_source(faults), begin=_breakable_transaction(faults))


def _breakable_source(faults: Faults) -> type[GroupConsumer]:
    class BreakableSource(GroupConsumer):
        def __init__(self, kafka: KafkaSettings, config: TopicConfig) -> None:
            super().__init__(kafka, config)
            self._consumer.getmany = _breakable_getmany(self._consumer.getmany, faults)

        async def fetch(self, wanted: Callable[[Claim], bool], max_records: int) -> list[Fetched]:
            await faults.reach("before", "fetch")
            fetched = await super().fetch(wanted, max_records)
            if fetched:  # most of the first calls come back empty, and are no step on any way
                await faults.reach("after", "fetch")
            return fetched

        def advise(self) -> None:
            faults.pass_by("before", "advise")
            super().advise()
            faults.pass_by("after", "advise")

    return BreakableSource


def _breakable_getmany(getmany: Callable[..., Awaitable[Any]], faults: Faults) -> Callable[..., Awaitable[Any]]:
    """Of one client: the next one is sound."""
    silent = False

    async def broken(*partitions: Any, timeout_ms: int, max_records: int) -> Any:
        nonlocal silent
        try:
            await faults.reach("before", "getmany")
        except Silence:
            silent = True
        if silent:
            await asyncio.sleep(timeout_ms / 1000)
            return {}
        arrived = await getmany(*partitions, timeout_ms=timeout_ms, max_records=max_records)
        if arrived:
            await faults.reach(
                "after", "getmany"
            )  # what it raises takes the records along, and the position stays moved
        return arrived

    return broken


def _breakable_transaction(faults: Faults) -> type[Transaction]:
    class BreakableTransaction(Transaction):
        async def _pieces(self, numbered: Iterable[tuple[Event, int]]) -> AsyncIterator[bytes]:
            async for piece in super()._pieces(numbered):
                yield piece
                # The driver asks for the next one when this one is on its way.
                await faults.reach("after", "piece")

    for name in STATEMENTS:
        setattr(BreakableTransaction, name, _breakable(getattr(Transaction, name), name, faults))
    return BreakableTransaction


def _breakable(statement: Callable[..., Awaitable[Any]], name: str, faults: Faults) -> Callable[..., Awaitable[Any]]:
    @wraps(statement)
    async def broken(*arguments: object) -> object:
        await faults.reach("before", name)
        answer = await statement(*arguments)
        await faults.reach("after", name)
        return answer

    return broken


def _break_store(faults: Faults) -> None:
    whole = Store.transaction

    @asynccontextmanager
    async def transaction(store: Store) -> AsyncIterator[None]:
        await faults.reach("before", "begin")
        async with whole(store):
            await faults.reach("after", "begin")
            yield
            await faults.reach("before", "commit")
        await faults.reach("after", "commit")

    Store.transaction = transaction  # type: ignore[method-assign, assignment]  # a function becomes a method there
    Store.offsets = _breakable(Store.offsets, "offsets", faults)  # type: ignore[method-assign, assignment]
