"""The consumer's parts, each of whose steps can be the last."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import wraps
from inspect import getmembers, iscoroutinefunction
from typing import Any, Final

from consumer.claims import Claim
from consumer.service import Parts
from consumer.source import Fetched, Source
from consumer.store import Store
from consumer.transaction import Transaction
from tests.faults.breakable.fault import Faults

# All that can be said within a transaction, so that a statement which is added tomorrow is killed at tomorrow.
STATEMENTS: Final = [name for name, _ in getmembers(Transaction, iscoroutinefunction) if not name.startswith("_")]
STEPS: Final = ["fetch", "begin", *STATEMENTS, "commit", "advise"]


def breakable_parts(faults: Faults) -> Parts:
    """A source and a transaction that tell `faults` of each step. BEGIN and COMMIT are the store's: see there."""
    _break_store(faults)
    return Parts(source=_breakable_source(faults), begin=_breakable_transaction(faults))


def _breakable_source(faults: Faults) -> type[Source]:
    class BreakableSource(Source):
        async def fetch(self, wanted: Callable[[Claim], bool], max_records: int) -> list[Fetched]:
            faults.reach("before", "fetch")
            fetched = await super().fetch(wanted, max_records)
            if fetched:  # most of the first calls come back empty, and are no step on any way
                faults.reach("after", "fetch")
            return fetched

        def advise(self) -> None:
            faults.reach("before", "advise")
            super().advise()
            faults.reach("after", "advise")

    return BreakableSource


def _breakable_transaction(faults: Faults) -> type[Transaction]:
    class BreakableTransaction(Transaction):
        async def _pieces(self, pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
            async for piece in super()._pieces(pieces):
                yield piece
                faults.reach("after", "piece")  # the driver asks for the next one when this one is on its way

    for name in STATEMENTS:
        setattr(BreakableTransaction, name, _breakable(getattr(Transaction, name), name, faults))
    return BreakableTransaction


def _breakable(statement: Callable[..., Awaitable[Any]], name: str, faults: Faults) -> Callable[..., Awaitable[Any]]:
    @wraps(statement)
    async def broken(*arguments: object) -> object:
        faults.reach("before", name)
        answer = await statement(*arguments)
        faults.reach("after", name)
        return answer

    return broken


def _break_store(faults: Faults) -> None:
    whole = Store.transaction

    @asynccontextmanager
    async def transaction(store: Store) -> AsyncIterator[None]:
        faults.reach("before", "begin")
        async with whole(store):
            faults.reach("after", "begin")
            yield
            faults.reach("before", "commit")
        faults.reach("after", "commit")

    Store.transaction = transaction  # type: ignore[method-assign, assignment]  # a function becomes a method there
