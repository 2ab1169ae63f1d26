"""A small pool of connections. Each call is one read-only transaction with a deadline.

Not asyncpg's pool: it cancels a statement at a deadline by a second connection, whose answer it awaits without a limit.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from agent_runs.errors import SettingsError
from agent_runs.postgres import tls
from agent_runs.postgres.database_url import InvalidUrl, parse
from agent_runs.postgres.deadline import DeadlinePassed, cut_at_deadline
from agent_runs.postgres.unreachable import missing_tls, unreachable
from agent_runs.reader.errors import (
    ConnectionEnded,
    DatabaseNotReady,
    DatabaseUnavailable,
    MissingExtra,
    ReaderError,
    translate,
)
from agent_runs.reader.queries import QUERIES
from agent_runs.reader.settings import ReaderSettings

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record]

APPLICATION_NAME: Final = "agent-runs-reader"
_IMPOSSIBLE_TIME: Final = (
    "PostgreSQL returned the time `infinity`, or one before the year 1 or after 9999, which no event can have: a row "
    "was changed by hand; `agent-runs-consumer verify` names it"
)
_T = TypeVar("_T")
Row = Mapping[str, Any]
Work = Callable[["Connection"], Coroutine[Any, Any, _T]]


class Connections:
    """Up to `size` connections to PostgreSQL, opened when they are needed."""

    def __init__(self, settings: ReaderSettings, size: int) -> None:
        self._settings = settings
        self._url = parse(settings.url)
        self._idle: list[Connection] = []
        self._free = asyncio.Semaphore(size)

    async def run(self, work: Work[_T]) -> _T:
        """Run `work` in a read-only transaction with one snapshot, and return its result.

        If an idle connection turns out to be closed, for example because the server was restarted, `work` is run again
        with a new one.

        Raises:
            ReaderError: see `agent_runs.reader.errors`.
        """
        ends_at = time.monotonic() + self._settings.timeout_s
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                await self._free.acquire()
        except TimeoutError:
            raise self._too_late() from None
        try:
            while self._idle:
                with suppress(ConnectionEnded):
                    return await self._run(self._idle.pop(), work, ends_at)
            return await self._run(await self._connect(ends_at), work, ends_at)
        finally:
            self._free.release()

    async def fetch(self, query: str, *parameters: object) -> Sequence[Row]:
        """Run one named query in a transaction of its own, and return its rows.

        Raises:
            ReaderError: see `run`.
        """

        async def work(connection: "Connection") -> Sequence[Row]:
            return cast("Sequence[Row]", await connection.fetch(QUERIES[query], *parameters))

        return await self.run(work)

    def close(self) -> None:
        """Cut the idle connections. A later call opens new ones."""
        while self._idle:
            self._idle.pop().terminate()

    async def _run(self, connection: "Connection", work: Work[_T], ends_at: float) -> _T:
        """Run `work` with the connection; keep the connection if nothing failed, else cut it."""
        left_s = max(0.001, ends_at - time.monotonic())
        try:
            transaction = _in_transaction(connection, work, left_s, self._settings.schema)
            result = await _translated(cut_at_deadline(transaction, connection.terminate, left_s))
        except DeadlinePassed:
            raise self._too_late() from None
        except BaseException:
            connection.terminate()
            raise
        self._idle.append(connection)
        return result

    async def _connect(self, ends_at: float) -> "Connection":
        try:
            from agent_runs.postgres.connect import connect  # noqa: PLC0415  # asyncpg is an extra
        except ImportError as error:
            raise MissingExtra(
                "reading needs the package asyncpg, which is not installed: pip install 'agent-runs[reader]'"
            ) from error
        timeout_s = max(0.001, min(self._settings.connect_timeout_s, ends_at - time.monotonic()))
        # No cache of prepared statements: behind PgBouncer in transaction mode, the next transaction may be on another
        # connection of the server. And a statement that is planned with its parameters uses the right index.
        open_connection = partial(connect, self._url, APPLICATION_NAME, timeout_s, statement_cache_size=0)
        connection = await _translated(_opened(open_connection(), timeout_s))
        # JSONB as the bytes of its text, after one byte for the version. Sends nothing: the driver knows the type.
        await connection.set_type_codec(
            "jsonb",
            schema="pg_catalog",
            format="binary",
            encoder=lambda text: b"\1" + text,
            decoder=lambda data: data[1:],
        )
        return connection

    def _too_late(self) -> DatabaseUnavailable:
        return DatabaseUnavailable(f"PostgreSQL did not answer within {self._settings.timeout_s:g} s")


def time_of(row: Row, column: str) -> datetime:
    """Return a time of a row.

    Raises:
        ReaderError: it is `infinity` or `-infinity`, which the driver represents by times without a time zone.
    """
    at: datetime = row[column]
    if at.tzinfo is None:
        raise ReaderError(_IMPOSSIBLE_TIME)
    return at


async def _opened(opening: Coroutine[Any, Any, "Connection"], timeout_s: float) -> "Connection":
    """Return the connection, or raise an error of the reader with the remedy if PostgreSQL cannot be reached."""
    import asyncpg  # noqa: PLC0415  # asyncpg is an extra; the caller has imported it

    try:
        return await opening
    except (ssl.SSLError, asyncpg.DataError):
        raise
    except (OSError, EOFError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        if refused := missing_tls(error):
            raise DatabaseNotReady(refused) from error
        raise ConnectionEnded(unreachable(error, timeout_s)) from error


async def _in_transaction(connection: "Connection", work: Work[_T], left_s: float, schema: str) -> _T:
    # One round trip. `SET LOCAL` ends with the transaction, as a connection pooler requires.
    begin = QUERIES["begin"].replace("$schema", schema).replace("$timeout", str(max(1, round(left_s * 900))))
    await connection.execute(begin)
    result = await work(connection)
    await connection.execute(QUERIES["commit"])
    return result


async def _translated(work: Coroutine[Any, Any, _T]) -> _T:
    """Run `work`, and raise an error of the reader in place of one of the driver."""
    import asyncpg  # noqa: PLC0415  # asyncpg is an extra; the caller has imported it

    try:
        return await work
    except asyncpg.PostgresError as error:
        raise translate(error.sqlstate or "", str(error)) from error
    except ssl.SSLError as error:
        if refused := tls.refusal(error):
            raise DatabaseNotReady(refused) from error
        raise ConnectionEnded(f"PostgreSQL is unavailable: {error}") from error
    except InvalidUrl as error:
        raise SettingsError([f"DATABASE_URL: {error}"]) from error
    except OverflowError as error:  # a time; the consumer refuses records with such times
        raise ReaderError(_IMPOSSIBLE_TIME) from error
    except asyncpg.DataError as error:  # a parameter that cannot be encoded; an InterfaceError too
        raise ReaderError(str(error)) from error
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, EOFError, TimeoutError) as error:
        raise ConnectionEnded(f"PostgreSQL is unavailable: {str(error) or type(error).__name__}") from error
