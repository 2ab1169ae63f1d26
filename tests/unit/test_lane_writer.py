"""The error of a lost connection carries what the transaction may have stored."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from consumer.errors import ConnectionLost
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
