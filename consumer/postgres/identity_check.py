"""Checks that the identities of the tables are ahead of their rows.

Logical replication copies rows, but not the state of sequences. After a switchover to a replica, identities begin at 1
again, and INSERT fails.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final

from consumer.postgres.store import Row, Store

# The tables with an identity, named `id`; each with the query of its largest one.
_LARGEST_ID: Final[Mapping[str, Callable[[Store], Awaitable[Sequence[Row]]]]] = {
    "dead_letters": lambda store: store.fetch("largest_id_of_dead_letters"),
    "dead_letter_history": lambda store: store.fetch("largest_id_of_dead_letter_history"),
    "accepted_losses": lambda store: store.fetch("largest_id_of_accepted_losses"),
}


async def identity_problems(store: Store, tables: Collection[str]) -> list[str]:
    """Return one sentence for each identity that is behind its table, with the statement that repairs it.

    An identity whose sequence the login may not read is not checked.

    Args:
        store: the connection.
        tables: those that the login may read.
    """
    checked = [name for name in _LARGEST_ID if name in tables]
    problems = []
    for row in await store.fetch("next_identities", checked):
        (rows,) = await _LARGEST_ID[row["name"]](store)
        if rows["id"] is not None and rows["id"] >= row["next"]:
            problems.append(
                f"the next id of {row['name']} is {row['next']}, but the table has ids up to {rows['id']}, as after a "
                f"switchover of logical replication: SELECT setval('{row['sequence']}', {rows['id']})"
            )
    return problems
