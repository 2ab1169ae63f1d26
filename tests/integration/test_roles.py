"""The group roles: enough to do the work, and no more."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import pytest

from consumer.errors import OperatorNeeded
from tests.integration.admin import retain_from
from tests.integration.messages import Message, event, said
from tests.integration.pipeline import Pipeline
from tests.servers.logins import CONSUMER, READER, login

WRITES = {
    "agent_runs": "id, agent_id, status, created_at, updated_at, status_changed_at",
    "run_events": "id, run_id, event_seq, event_type, event_data, created_at, source_partition, source_offset",
    "consumer_offsets": "topic, partition, first_offset, next_offset",
    "dead_letters": "topic, partition, record_offset, headers, reason, detail",
    "accepted_losses": "topic, partition, first_offset, next_offset, repeats, resumed_at, reason, accepted_by",
}


@asynccontextmanager
async def _login(pipeline: Pipeline, group: str) -> AsyncIterator[Pipeline]:
    """The pipeline as a login sees it that has nothing but this group role."""
    async with login(pipeline.database, group) as database:
        yield replace(pipeline, database=database)


async def _refused(pipeline: Pipeline, statements: list[str]) -> None:
    for statement in statements:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pipeline.rows(statement)


async def test_the_consumer_role_can_do_all_that_the_service_does(pipeline: Pipeline) -> None:
    # Given a login with the consumer's role, and records of every kind,
    started = event("start", "run_started", parent_run_id="parent")
    records = [
        Message(b"run", started),
        *said("run", "a", "a"),
        Message(b"run", event("a", data=1)),
        Message(b"run", b""),
    ]
    await pipeline.publish(*records)
    async with _login(pipeline, CONSUMER) as consumer:
        # when it consumes them,
        await consumer.consume()
        await pipeline.assert_in_order()
        # and also when records are lost, and it accepts that,
        await pipeline.publish(*said("run", "lost", "kept"))
        await retain_from(pipeline.servers.bootstrap_servers, pipeline.topic, len(records) + 1)
        with pytest.raises(OperatorNeeded):
            await consumer.consume()
        accepted = await consumer.command("offsets", "accept-loss", "--partition", "0", "--by", "Ada")
        assert accepted.exit_code == 0, accepted.output
        await consumer.consume()
        # then it needed no other right; nor does it to verify.
        assert await pipeline.stored("run") == ["start", "a", "kept"]
        verified = await consumer.command("verify", "--topic")
        assert verified.exit_code == 0, verified.output


async def test_the_consumer_role_cannot_remove_or_change_what_was_stored(pipeline: Pipeline) -> None:
    # Given a login with the consumer's role, when it deletes, truncates or changes, then the database refuses.
    async with _login(pipeline, CONSUMER) as consumer:
        await _refused(consumer, [f"DELETE FROM {table}" for table in WRITES])
        await _refused(consumer, [f"TRUNCATE {table} CASCADE" for table in WRITES])
        await _refused(consumer, ["UPDATE run_events SET raw = NULL", "UPDATE accepted_losses SET accepted_by = 'me'"])
        await _refused(consumer, ["ALTER TABLE run_events DISABLE TRIGGER USER", "DROP TABLE run_events"])


async def test_the_reader_role_only_reads(pipeline: Pipeline) -> None:
    # Given a consumed topic, and a login with the reader's role,
    await pipeline.publish(*said("run", "a"), Message(b"run", b""))
    await pipeline.consume()
    async with _login(pipeline, READER) as reader:
        # when it reads, then it sees everything,
        assert await reader.stored("run") == ["a"]
        for table in WRITES:
            await reader.rows(f"SELECT * FROM {table}")
        # and when it writes anything anywhere, then the database refuses.
        for table, columns in WRITES.items():
            insert = f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}"
            update = f"UPDATE {table} SET {columns.partition(',')[0]} = NULL"
            await _refused(reader, [insert, update, f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"])
