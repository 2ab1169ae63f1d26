"""Checks that a connection pooler, if there is one, gives each connection a session of its own.

With PgBouncer's `pool_mode=transaction`, each transaction of a connection may run in another session of PostgreSQL, and
between two transactions another client has the session. The service's settings and advisory locks would be lost, and
other clients would get them.
"""

from typing import Final

from consumer.errors import ConnectionLost, NewConnection
from consumer.postgres.store import SHARED_SESSIONS, Store

_STATEMENT_MODE: Final = "pooling mode"  # in PgBouncer's refusal of BEGIN


async def pooler_problems(store: Store) -> list[str]:
    """Return why the pooler is not suitable, as one sentence; empty if it is, or if there is none.

    Raises:
        UsageError: the same sentence, if a second connection cannot even be opened.
    """
    own = await _backend_pid(store)
    if own == store.backend_pid:
        return []  # the pid that the driver got when it connected is PostgreSQL's, not the pooler's
    second = await store.open_another()
    try:
        async with second.transaction():  # which has a session for itself
            is_shared = await _backend_pid(second) == own or await _backend_pid(store) != own
    except NewConnection:
        is_shared = True
    except ConnectionLost as error:
        if _STATEMENT_MODE not in str(error):
            raise
        is_shared = True
    finally:
        second.terminate()
    return [SHARED_SESSIONS] if is_shared else []


async def _backend_pid(store: Store) -> int:
    (backend,) = await store.fetch("backend_pid")
    return int(backend["pid"])
