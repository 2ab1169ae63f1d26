"""Bugs of the consumer that the watcher must report. Each breaks one of the rules that the checker enforces."""

import os
from collections.abc import Iterable
from typing import Final

import msgspec

from consumer.ingest.sequencing import NO_EVENTS, Head
from consumer.ingest.transaction import Transaction
from consumer.lanes import writer
from consumer.model.batches import Batch
from consumer.model.records import Event
from consumer.postgres.store import Store
from consumer.settings import read_config


class ForgetsTheStatus(Transaction):
    """Every run keeps its first status."""

    async def update_runs(self, heads: Iterable[Head]) -> None:
        await super().update_runs(msgspec.structs.replace(head, state=NO_EVENTS) for head in heads)


class SkipsANumber(Transaction):
    """No run has an event with the number 3."""

    async def insert_events(self, numbered: Iterable[tuple[Event, int]]) -> None:
        await super().insert_events((event, number + (number >= 3)) for event, number in numbered)


class MovesTheOffsetsApart(Transaction):
    """The offsets are committed before the rows, in a transaction of their own."""

    async def move_offsets(self, batch: Batch) -> None:
        store = await Store.connect(read_config(os.environ).database, self._topic)
        await Transaction(store).move_offsets(batch)
        await store.close()


BUGS: Final = {bug.__name__: bug for bug in (ForgetsTheStatus, SkipsANumber, MovesTheOffsetsApart)}


def install_bug(name: str) -> None:
    """Give the consumer of this process the bug with this name."""
    writer.Transaction = BUGS[name]  # type: ignore[attr-defined]
