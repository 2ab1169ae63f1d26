"""The errors of a transaction: a lost connection, with what may have been stored, and too little memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from consumer.errors import ConnectionLost, OutOfMemory
from consumer.ingest.transaction import Transaction
from consumer.lanes import writer as writer_module
from consumer.lanes.writer import Writer
from consumer.model.batches import Batch, Stored
from consumer.postgres.store import Store
from consumer.settings import DatabaseConfig

STORED = Stored(events=3, new_dead_letters=[], repeats=1)


class LosingStore(Store):
    """Loses the connection during COMMIT."""

    def __init__(self) -> None:
        self.topic = "topic"
        self.terminated = False

    def terminate(self) -> None:
        self.terminated = True

    @property
    def usable(self) -> bool:
        return True

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        yield
        raise ConnectionLost("during COMMIT")


@pytest.fixture
def writer() -> Writer:
    async def connect() -> Store:
        return LosingStore()

    return Writer(connect, DatabaseConfig(url="postgresql://127.0.0.1:1/none"))


async def test_a_connection_lost_during_commit_has_the_outcome(monkeypatch: pytest.MonkeyPatch, writer: Writer) -> None:
    async def ingest(batch: Batch, tx: Transaction, *, check_existing: bool) -> Stored:
        return STORED

    monkeypatch.setattr(writer_module, "ingest", ingest)
    with pytest.raises(ConnectionLost, match=r"^during COMMIT$") as caught:
        await writer.write([], check_existing=False)

    assert caught.value.outcome is STORED
    assert not writer.busy


async def test_a_connection_lost_before_commit_has_no_outcome(monkeypatch: pytest.MonkeyPatch, writer: Writer) -> None:
    async def ingest(batch: Batch, tx: Transaction, *, check_existing: bool) -> Stored:
        raise ConnectionLost("during COPY")

    monkeypatch.setattr(writer_module, "ingest", ingest)
    with pytest.raises(ConnectionLost, match=r"^during COPY$") as caught:
        await writer.write([], check_existing=False)

    assert caught.value.outcome is None


async def test_too_little_memory_for_a_transaction_cuts_its_connection(
    monkeypatch: pytest.MonkeyPatch, writer: Writer
) -> None:
    async def ingest(batch: Batch, tx: Transaction, *, check_existing: bool) -> Stored:
        raise MemoryError

    monkeypatch.setattr(writer_module, "ingest", ingest)
    with pytest.raises(OutOfMemory):
        await writer.write([], check_existing=False)

    assert writer._session._store is None
    assert not writer.busy
