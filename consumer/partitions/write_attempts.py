"""Writes a record as a consumer's lane does, to find out whether it halts its partition."""

from typing import Final

from consumer.errors import ConnectionLost, DataRefused, StaleOffsets, Unavailable, UsageError
from consumer.ingest.ingest import ingest
from consumer.ingest.refused_values import refused_values
from consumer.ingest.transaction import Transaction
from consumer.model.batches import Slice, Stored
from consumer.postgres.session import Session, Work
from consumer.postgres.store import Store

_ATTEMPTS: Final = 3  # a record must fail this often, as in `consumer.lanes.queue`


async def write_problem(session: Session, slice_: Slice) -> str:
    """Write a slice of one record, and return why each attempt failed.

    Raises:
        UsageError: the record is stored now, or it fails for a cause that the operator can remove.
        Unavailable: PostgreSQL is unavailable.
    """

    async def write(store: Store) -> Stored:
        async with store.transaction():
            return await ingest([slice_], Transaction(store), check_existing=True)

    where = f"partition {slice_.claim.partition} is not halted at its next record"
    try:
        result = await attempt(session, write)
    except DataRefused as error:
        raise UsageError(await _remedy(session, slice_, error)) from error
    except StaleOffsets as error:
        raise UsageError(f"{where}: it was stored meanwhile; nothing was skipped") from error
    if isinstance(result, Stored):
        raise UsageError(f"{where}: it can be read and written, and is stored now; nothing was skipped")
    return result


async def attempt(session: Session, write: Work[Stored]) -> Stored | str:
    """Return the result of `write`; if it fails three times for a cause that may be the record, the cause.

    Such a cause is a lost connection, too little memory in this process, and a limit of time or memory of a
    transaction. An error while the session connects is none.

    Raises:
        StoreError: `write` failed for another cause.
    """
    problem = ""
    for _ in range(_ATTEMPTS):
        await session.connected()
        try:
            return await session.run(write)
        except MemoryError:
            problem = "this process has too little memory to write the record"
        except Unavailable as error:
            problem = _problem(error)
            if not problem:
                raise
        session.close()  # after a MemoryError, the driver may have failed in the middle of a message
    return problem


def _problem(error: Unavailable) -> str:
    if error.limit_exceeded:
        return f"each transaction with the record exceeds a limit: {error}"
    if isinstance(error, ConnectionLost):
        return "the connection to PostgreSQL is lost whenever the record is written"
    return ""


async def _remedy(session: Session, slice_: Slice, error: DataRefused) -> str:
    """Return what a consumer does with a record that PostgreSQL refuses, or what the operator must do."""
    partition, values = slice_.claim.partition, [event.value for event in slice_.events]

    async def refused(store: Store) -> dict[int, str]:
        return await refused_values(values, store)

    if await session.run(refused):
        return f"partition {partition} is not halted at its next record: a consumer makes a dead letter of it ({error})"
    return (
        f"PostgreSQL refuses the next record of partition {partition}, and its message is not the cause: change or "
        f"drop the object that refuses it; nothing was skipped ({error})"
    )
