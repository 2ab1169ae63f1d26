"""An update of a run does not touch its indexes: the fillfactor of agent_runs leaves room on the page."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from consumer.ingest.decoding import decode
from consumer.ingest.ingest import ingest
from consumer.ingest.transaction import Transaction
from consumer.model.batches import Slice
from consumer.model.claims import Claim
from consumer.postgres.store import Store
from consumer.settings import DatabaseConfig
from tests.support.messages import event
from tests.support.waiting import until

TOPIC = "hot"
RUNS, BATCH, BATCHES = 20_000, 1_000, 40
ATTEMPTS = 8
NOW_MS = 1_767_225_600_000
FILL = """
    INSERT INTO agent_runs (id, agent_id, session_id, status, created_at, updated_at, status_changed_at, labels)
    SELECT 'run-' || n, 'agent-' || n % 10, 'session-' || n % 5000, 'running', t, t, t,
           jsonb_build_object('environment', 'test', 'version', n % 20)
      FROM generate_series(0, $1::integer - 1) AS n, to_timestamp(1767225600) AS t
"""
# A snapshot of any database of the server is as old as the oldest transaction that writes in one of them.
LONG_TRANSACTIONS = """
    SELECT EXISTS (SELECT FROM pg_stat_activity
                    WHERE backend_xid IS NOT NULL AND xact_start < clock_timestamp() - interval '1 s')
"""
UPDATES = "SELECT n_tup_hot_upd, n_tup_upd FROM pg_stat_user_tables WHERE relname = 'agent_runs'"


@dataclass
class Record:
    """A record without a log: only the database is under test."""

    offset: int
    key: bytes | None
    value: bytes | None
    partition: int = 0
    timestamp: int = NOW_MS
    headers: Sequence[tuple[str, bytes | None]] = ()


async def test_nearly_every_update_of_a_run_is_heap_only(database: str) -> None:
    # Given 20,000 runs, and a partition to write to,
    connection = await asyncpg.connect(database)
    # While autovacuum analyzes a table of the database, its snapshot prevents pruning; on a busy machine for long.
    for table in ("agent_runs", "run_events", "consumer_offsets"):
        await connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    await connection.execute(FILL, RUNS)
    await connection.execute(
        "INSERT INTO consumer_offsets (topic, partition, first_offset, next_offset) VALUES ($1, 0, 0, 0)", TOPIC
    )
    # when batches update 1,000 of them repeatedly, then nearly all of the updates are heap-only. A long transaction of
    # another test, in another database of the server, prevents pruning too: hence the further attempts.
    shares: list[float] = []
    while len(shares) < ATTEMPTS and max(shares, default=0.0) <= 0.95:
        await _wait_for_the_end_of_long_transactions(connection)
        before = await _updates(connection)
        await _write_batches(database, first_offset=len(shares) * BATCHES * BATCH)
        after = await _reported_updates(connection, before[1] + BATCHES * BATCH)
        shares.append((after[0] - before[0]) / (after[1] - before[1]))
    await connection.close()
    assert max(shares) > 0.95, shares


async def _write_batches(database: str, first_offset: int) -> None:
    """Update neighbours, like runs that started together, with each batch."""
    store, rng, claim = await Store.connect(DatabaseConfig(url=database), TOPIC), random.Random(first_offset), Claim(0)
    for start in range(first_offset, first_offset + BATCHES * BATCH, BATCH):
        first = rng.randrange(RUNS - BATCH)
        records = [Record(start + n, b"run-%d" % (first + n), event(f"{start + n}")) for n in range(BATCH)]
        slice_ = Slice.of(claim, start, start + BATCH, [decode(record, 1024) for record in records])
        async with store.transaction():
            await ingest([slice_], Transaction(store), check_existing=False)
    store.terminate()


async def _wait_for_the_end_of_long_transactions(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    async def have_ended() -> bool:
        return not await connection.fetchval(LONG_TRANSACTIONS)

    await until(have_ended, "no transaction is long")


async def _reported_updates(connection: "asyncpg.Connection[asyncpg.Record]", least: int) -> tuple[int, int]:
    """The heap-only and all updates, once the backend has reported them: at the latest when it ends."""

    async def reported() -> bool:
        return (await _updates(connection))[1] >= least

    await until(reported, "the backend has reported its statistics")
    return await _updates(connection)


async def _updates(connection: "asyncpg.Connection[asyncpg.Record]") -> tuple[int, int]:
    row = await connection.fetchrow(UPDATES)
    assert row is not None
    return row[0], row[1]
