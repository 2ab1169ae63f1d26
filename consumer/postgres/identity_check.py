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
    # Read before the sequences: a consumer may insert rows between the two queries.
    largest = {name: (await _LARGEST_ID[name](store))[0]["id"] for name in checked}
    return [
        f"the next id of {row['name']} is {row['next']}, but the table has ids up to {largest[row['name']]}, as after "
        f"a switchover of logical replication: SELECT setval('{row['sequence']}', {largest[row['name']]})"
        for row in await store.fetch("next_identities", checked)
        if (largest[row["name"]] or 0) >= row["next"]
    ]
