"""The connection of one lane: writes one batch in one transaction."""

from collections.abc import Sequence

from consumer.errors import ConnectionLost, OutOfMemory
from consumer.ingest.ingest import ingest
from consumer.ingest.refused_values import refused_values
from consumer.ingest.transaction import Transaction
from consumer.model.batches import Batch, Stored
from consumer.postgres.added_objects import added_objects
from consumer.postgres.deadline import with_deadline
from consumer.postgres.session import Connect, Session
from consumer.postgres.store import Offsets
from consumer.runtime.retrying import retry_while_unavailable
from consumer.settings import DatabaseConfig


class Writer:
    """Writes batches one after the other.

    Attributes:
        busy: whether a transaction is open.
    """

    def __init__(self, connect: Connect, config: DatabaseConfig) -> None:
        self._session = Session(lambda: retry_while_unavailable(connect, "connect to PostgreSQL"), config.timeout_s)
        self._timeout_s = config.timeout_s
        self._stalled_owner_s = config.stalled_owner_s
        self.busy = False

    async def write(self, batch: Batch, *, check_existing: bool) -> Stored:
        """Store the batch in one transaction.

        Args:
            batch: at least one slice; at most one slice for each partition.
            check_existing: whether to look event ids up before events are copied.

        Raises:
            ConnectionLost: if the error has an `outcome`, the transaction may have been committed.
            OutOfMemory: the connection was cut. COMMIT may have been executed; writing again is safe.
            StoreError: nothing was stored. With ConnectionLost, only if `outcome` is None.
        """
        store = await self._session.connected()
        outcome: Stored | None = None

        async def transaction() -> Stored:
            nonlocal outcome
            async with store.transaction():
                outcome = await ingest(batch, Transaction(store), check_existing=check_existing)
            return outcome

        self.busy = True
        try:
            return await with_deadline(transaction(), store.terminate, self._timeout_s)
        except ConnectionLost as error:
            raise ConnectionLost(str(error), outcome, limit_exceeded=error.limit_exceeded) from error
        except MemoryError as error:
            self.disconnect()  # the driver may have failed in the middle of a message
            raise OutOfMemory("this process has too little memory for the batch") from error
        finally:
            self.busy = False

    async def offsets(self) -> dict[int, Offsets]:
        """Return the stored offsets of the topic, by partition."""
        return await self._session.run(lambda store: store.offsets())

    async def refused_values(self, values: Sequence[bytes]) -> dict[int, str]:
        """Return which of the messages JSONB cannot hold, by position in the sequence, with PostgreSQL's message."""
        return await self._session.run(lambda store: refused_values(values, store))

    async def added_objects(self) -> list[str]:
        """Return the objects of the database that are not in the service's schema and may refuse rows of its tables."""
        return await self._session.run(added_objects)

    async def terminate_stalled_owner(self, partitions: Sequence[int]) -> list[int]:
        """Terminate consumers' backends that have locked these offsets for too long. Returns their process ids."""
        return await self._session.run(lambda store: store.terminate_stalled_owner(partitions, self._stalled_owner_s))

    def disconnect(self) -> None:
        """Cut the connection; the next call opens a new one."""
        self._session.close()
