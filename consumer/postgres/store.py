"""One PostgreSQL connection: runs named queries and COPY, and translates the driver's errors."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import asyncpg
import structlog

from agent_runs.named_queries import load_queries
from consumer.errors import ConnectionLost, NewConnection, UsageError
from consumer.model.records import Fingerprint
from consumer.postgres.connection import APPLICATION_NAME, open_connection
from consumer.postgres.copy_format import COLUMNS, EPOCH_MS, JSONB_VERSION
from consumer.postgres.deadline import with_deadline
from consumer.postgres.session_settings import session_settings
from consumer.postgres.sqlstate import EVENT_ID_CONSTRAINT, Origin, translate
from consumer.settings import DatabaseConfig

Row = Mapping[str, Any]

_log = structlog.get_logger()

SHARED_SESSIONS: Final = (
    "DATABASE_URL: the connection pooler gives each transaction another session of PostgreSQL, but consumers need "
    "sessions for their settings and locks: set pool_mode=session for this database, or connect without the pooler"
)
_NO_FREE_SESSION: Final = (
    "PostgreSQL is stopped or overloaded, or the pool of a connection pooler is full: it needs AGENT_RUNS_LANES + 4 "
    "sessions for each consumer (default_pool_size of PgBouncer)"
)


class Offsets(NamedTuple):
    """A partition's row of `consumer_offsets`. Times are in milliseconds since 1970."""

    partition: int
    first_offset: int
    next_offset: int
    last_offset: int | None
    last_timestamp: int | None
    repeats: int
    updated_at: int

    @property
    def fingerprint(self) -> Fingerprint | None:
        """The fingerprint of the last record passed; None before the first record."""
        if self.last_offset is None or self.last_timestamp is None:
            return None
        return Fingerprint(self.last_offset, self.last_timestamp)


@cache
def _queries() -> dict[str, str]:
    files = Path(__file__).parents[1].rglob("queries.sql")
    return {name: text for file in files for name, text in load_queries(file).items()}


class Store:
    """One connection, for one task at a time."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", topic: str, config: DatabaseConfig) -> None:
        self._connection = connection
        self._config = config
        self.topic = topic
        self.schema = config.schema

    @classmethod
    async def connect(cls, config: DatabaseConfig, topic: str) -> "Store":
        """Open a connection.

        Raises:
            Unavailable: PostgreSQL does not answer within `connect_timeout_s`, or refuses the connection.
            UsageError: DATABASE_URL is not valid, names a file that cannot be read, or a pooler without sessions.
        """
        with _translated():
            connection = await open_connection(config)
            await _set_codecs(connection)
        store, settings = cls(connection, topic, config), session_settings(config)
        work = store.fetch("set_session", list(settings), list(settings.values()))
        try:
            await with_deadline(work, store.terminate, config.connect_timeout_s)
        except NewConnection as error:  # a session that other clients use too has their prepared statements
            store.terminate()
            raise UsageError(SHARED_SESSIONS) from error
        except ConnectionLost as error:
            if error.limit_exceeded:
                raise ConnectionLost(f"connected, but {error}: {_NO_FREE_SESSION}") from error
            raise
        return store

    async def open_another(self) -> "Store":
        """Open another connection with the same settings. Errors as of `connect`."""
        return await Store.connect(self._config, self.topic)

    @property
    def usable(self) -> bool:
        """Whether the connection is open."""
        return not self._connection.is_closed()

    @property
    def backend_pid(self) -> int:
        """The process id of the backend, as the server reported it. A connection pooler reports another number."""
        return int(self._connection.get_server_pid())

    def terminate(self) -> None:
        """Cut the connection. Does not wait for the server, which may not answer."""
        self._connection.terminate()

    async def close(self) -> None:
        """Close the connection gracefully, within 2 seconds."""
        with _translated():
            await self._connection.close(timeout=2)

    async def fetch(self, query: str, *parameters: object) -> list[Row]:
        """Run a query of a `queries.sql` by its name and return its rows.

        Raises:
            StoreError: PostgreSQL refused the query or does not answer.
            OperatorNeeded: PostgreSQL reported an SQLSTATE that the service does not expect.
        """
        with _translated():
            return cast("list[Row]", await self._connection.fetch(_queries()[query], *parameters))

    async def execute_script(self, script: str) -> None:
        """Run the statements of a script, in the text of an SQL file."""
        with _translated():
            await self._connection.execute(script)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Commit the statements of the block together, or none of them if it raises. Isolation: READ COMMITTED.

        Raises:
            ConnectionLost: the connection ended. If COMMIT was sent, it may have been executed.
        """
        with _translated():
            transaction = self._connection.transaction(isolation="read_committed")
            await transaction.start()
        try:
            yield
        except BaseException:
            if self.usable:
                with _translated():
                    await transaction.rollback()
            raise
        with _translated():
            await transaction.commit()

    async def copy_events(self, stream: AsyncIterator[bytes]) -> int:
        """COPY a binary stream into `run_events`. The stream must yield its chunks without waiting.

        Returns how many rows PostgreSQL has stored: without those that a trigger leaves out.
        """
        with _translated():
            tag = await self._connection.copy_to_table("run_events", source=stream, columns=COLUMNS, format="binary")
        return int(tag.rpartition(" ")[2])  # the command and the number of rows

    async def offsets(self) -> dict[int, Offsets]:
        """Return the stored offsets of the topic, by partition."""
        return {row["partition"]: Offsets(**row) for row in await self.fetch("offsets", self.topic)}

    async def terminate_stalled_owner(self, partitions: Sequence[int], older_than_s: float) -> list[int]:
        """Terminate other consumers' backends that lock these offsets in a transaction older than `older_than_s`.

        If a process was stopped during COPY, its backend waits for data, is not idle, and keeps its locks until its
        connection ends.

        Returns:
            The process ids of the backends.
        """
        rows = await self.fetch("terminate_stalled_owner", self.topic, partitions, APPLICATION_NAME, older_than_s)
        pids = [row["pid"] for row in rows]
        if pids:
            _log.warning(
                "Terminated the backend of a stalled consumer", action="stalled_owner", partitions=partitions, pids=pids
            )
        return pids

    async def lend(self, work: Callable[[Any], Awaitable[None]]) -> None:
        """Call `work` with the driver's connection, for a library that needs it (migrations)."""
        with _translated():
            await work(self._connection)


async def _set_codecs(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Exchange times as milliseconds since 1970, as Kafka does, and JSONB as the bytes of its text.

    Sends nothing to the server, because the types are built into the driver.
    """
    await connection.set_type_codec(
        "timestamptz",
        schema="pg_catalog",
        format="tuple",
        encoder=lambda at_ms: ((at_ms - EPOCH_MS) * 1000,),
        decoder=lambda at: at[0] // 1000 + EPOCH_MS,
    )
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda text: JSONB_VERSION + text,
        decoder=lambda data: data[1:],
    )


def _message(error: asyncpg.PostgresError) -> str:
    """Return the message with its detail and hint; of a violated constraint without them: they quote the whole row."""
    sqlstate, constraint = error.sqlstate or "", getattr(error, "constraint_name", None)
    if sqlstate.startswith("23") and constraint != EVENT_ID_CONSTRAINT:
        return str(error.args[0])
    return str(error)


def _origin(error: asyncpg.PostgresError) -> Origin:
    fields = ("table_name", "column_name", "constraint_name", "data_type_name", "context", "server_source_function")
    return Origin(*(getattr(error, field, None) or "" for field in fields))


@contextmanager
def _translated() -> Iterator[None]:
    """Raise an error of the service in place of one of the driver; let programming errors pass."""
    try:
        yield
    except asyncpg.PostgresError as error:
        raise translate(error.sqlstate or "", _message(error), _origin(error)) from error
    except asyncpg.DataError:  # the driver cannot encode a parameter: a programming error, but an InterfaceError too
        raise
    # InternalClientError: a statement after the server's last message and before the end of the connection.
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, EOFError, TimeoutError) as error:
        raise ConnectionLost(str(error) or type(error).__name__) from error
