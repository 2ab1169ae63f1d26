"""Finds the messages that JSONB cannot hold: only these records are at fault when PostgreSQL refuses a batch."""

from collections.abc import Sequence

from consumer.errors import DataRefused
from consumer.postgres.store import Store


async def refused_values(values: Sequence[bytes], store: Store) -> dict[int, str]:
    """Return which of the messages JSONB cannot hold, by position in the sequence, with PostgreSQL's message.

    Raises:
        StoreError: PostgreSQL is unavailable.
    """
    if not values:
        return {}
    try:
        rows = await store.fetch("refused_values", values)
    except DataRefused as error:
        # Some limits of JSONB, such as its total size, end the query in place of being reported by it.
        if len(values) == 1:
            return {0: str(error)}
        middle = len(values) // 2
        first = await refused_values(values[:middle], store)
        second = await refused_values(values[middle:], store)
        return first | {middle + position: message for position, message in second.items()}
    return {row["position"] - 1: row["message"] for row in rows}
