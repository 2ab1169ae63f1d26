"""A lane's connection: writes one batch, or says exactly what became of it."""

from collections.abc import Callable, Sequence

from consumer.config import DatabaseConfig
from consumer.ingest.ingest import Stored, ingest
from consumer.ingest.transaction import Transaction
from consumer.model.batches import Batch
from consumer.postgres.deadline import with_deadline
from consumer.postgres.session import Connect, Session
from consumer.postgres.store import Offsets, Store
from consumer.runtime.retrying import retry_while_unavailable

Begin = Callable[[Store], Transaction]


class Writer:
    """Writes batches one after the other.

    Attributes:
        busy: a transaction is under way.
        outcome: what the last transaction did or, when its COMMIT was not answered, will have done.
    """

    def __init__(self, connect: Connect, config: DatabaseConfig, begin: Begin = Transaction) -> None:
        self._session = Session(lambda: retry_while_unavailable(connect, "connect to PostgreSQL"), config.timeout_s)
        self._timeout_s = config.timeout_s
        self._stalled_owner_s = config.stalled_owner_s
        self._begin = begin
        self.busy = False
        self.outcome = Stored(0, [], 0)

    async def write(self, batch: Batch, *, look_first: bool) -> Stored:
        """Store the batch in one transaction; `look_first` for repeats, instead of copying without asking.

        Raises:
            StoreError: nothing was stored; after ConnectionLost that must be asked (`offsets`).
        """
        store = await self._session.connected()
        self.busy = True
        try:
            return await with_deadline(self._ingest(store, batch, look_first=look_first), store, self._timeout_s)
        finally:
            self.busy = False

    async def _ingest(self, store: Store, batch: Batch, *, look_first: bool) -> Stored:
        async with store.transaction():
            self.outcome = await ingest(batch, self._begin(store), look_first=look_first)
        return self.outcome

    async def offsets(self) -> dict[int, Offsets]:
        """Where the partitions stand in the database."""
        return await self._session.ask(lambda store: store.offsets())

    async def refused_values(self, values: Sequence[bytes]) -> dict[int, str]:
        """Which messages JSONB cannot hold, by their places in the sequence, and what PostgreSQL says of them."""
        rows = await self._session.ask(lambda store: store.fetch("refused_values", values))
        return {row["position"] - 1: row["message"] for row in rows}

    async def terminate_stalled_owner(self, partitions: Sequence[int]) -> list[int]:
        """End our own backends that have held these offsets for too long; returns their process ids."""
        rows = await self._session.ask(lambda store: store.terminate_stalled_owner(partitions, self._stalled_owner_s))
        return [row["pid"] for row in rows]

    def disconnect(self) -> None:
        """Cut the connection; the next call makes a new one."""
        self._session.close()
