"""The steps of the consumer, and faults before and after them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import wraps
from inspect import getmembers, iscoroutinefunction
from typing import Any, Final

from agent_runs.settings import KafkaSettings
from consumer import service
from consumer.ingest.transaction import Transaction
from consumer.kafka.group_consumer import Fetched, GroupConsumer
from consumer.lanes import writer
from consumer.model.claims import Claim
from consumer.model.records import Event
from consumer.postgres.store import Store
from consumer.settings import TopicConfig
from tests.support.fault_injection.fault import Faults, Silence

# All statements of a transaction are steps, also those that are added later.
STATEMENTS: Final = [name for name, _ in getmembers(Transaction, iscoroutinefunction) if not name.startswith("_")]
STEPS: Final = ["fetch", "begin", *STATEMENTS, "commit", "commit_offsets"]


def install_faults(faults: Faults) -> None:
    """Make the service of this process report each step to `faults`."""
    service.GroupConsumer = _breakable_group_consumer(faults)  # type: ignore[attr-defined]
    writer.Transaction = _breakable_transaction(faults)  # type: ignore[attr-defined]
    _break_store(faults)


def _breakable_group_consumer(faults: Faults) -> type[GroupConsumer]:
    class BreakableGroupConsumer(GroupConsumer):
        def __init__(self, kafka: KafkaSettings, config: TopicConfig, token: int | None = None) -> None:
            super().__init__(kafka, config, token)
            self._consumer.getmany = _breakable_getmany(self._consumer.getmany, faults)

        async def fetch(self, wanted: Callable[[Claim], bool], max_records: int) -> list[Fetched]:
            await faults.reach("before", "fetch")
            fetched = await super().fetch(wanted, max_records)
            if fetched:  # an empty fetch is not a step; most of the first ones are empty
                await faults.reach("after", "fetch")
            return fetched

        def commit_offsets(self) -> None:
            faults.reach_at_once("before", "commit_offsets")
            super().commit_offsets()
            faults.reach_at_once("after", "commit_offsets")

    return BreakableGroupConsumer


def _breakable_getmany(getmany: Callable[..., Awaitable[Any]], faults: Faults) -> Callable[..., Awaitable[Any]]:
    """Return the method of one client; a client that is created later works again."""
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
            # An error here loses the records, but the client's position stays behind them.
            await faults.reach("after", "getmany")
        return arrived

    return broken


def _breakable_transaction(faults: Faults) -> type[Transaction]:
    class BreakableTransaction(Transaction):
        async def _chunks(self, numbered: Iterable[tuple[Event, int]]) -> AsyncIterator[bytes]:
            async for chunk in super()._chunks(numbered):
                yield chunk
                # The driver takes the next chunk once this one is sent.
                await faults.reach("after", "chunk")

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
