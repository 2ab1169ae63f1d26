"""A consumer with a bug in it, to see that somebody notices. Each breaks one of the rules that the checker holds."""

import os
from collections.abc import Iterable
from typing import Final

import msgspec

from agent_runs.status import RunStatus
from consumer.config import read_config
from consumer.ingest.sequencing import Head
from consumer.ingest.transaction import Transaction
from consumer.model.batches import Batch
from consumer.model.records import Event
from consumer.postgres.store import Store
from consumer.service import Parts


class ForgetsTheStatus(Transaction):
    """Every run stays what it is from the start."""

    async def update_runs(self, heads: Iterable[Head]) -> None:
        await super().update_runs(msgspec.structs.replace(head, status=RunStatus.RUNNING) for head in heads)


class SkipsANumber(Transaction):
    """No run has an event number 3."""

    async def insert_events(self, numbered: Iterable[tuple[Event, int]]) -> None:
        await super().insert_events((event, number + (number >= 3)) for event, number in numbered)


class MovesTheOffsetsApart(Transaction):
    """The offsets are committed before the rows, by a transaction of their own."""

    async def move_offsets(self, batch: Batch) -> None:
        store = await Store.connect(read_config(os.environ).database, self._topic)
        await Transaction(store).move_offsets(batch)
        await store.close()


BUGS: Final = {bug.__name__: bug for bug in (ForgetsTheStatus, SkipsANumber, MovesTheOffsetsApart)}


def buggy_parts(name: str) -> Parts:
    """A consumer's parts, one of which has this bug."""
    return Parts(begin=BUGS[name])
