"""The group roles: enough to do the work, and no more."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import asyncpg
import pytest

from consumer.errors import OperatorNeeded
from tests.support.messages import Message, event, said
from tests.support.pipeline import Pipeline
from tests.support.servers import MakeDatabase
from tests.support.servers.clients import execute
from tests.support.servers.logins import CONSUMER, READER, login
from tests.support.topic_admin import retain_from

WRITES = {
    "agent_runs": "id, agent_id, status, created_at, updated_at, status_changed_at",
    "run_events": "id, run_id, event_seq, event_type, event_data, created_at, source_partition, source_offset",
    "consumer_offsets": "topic, partition, first_offset, next_offset",
    "dead_letters": "topic, partition, record_offset, headers, reason, detail",
    "accepted_losses": "topic, partition, first_offset, next_offset, repeats, resumed_at, reason, accepted_by",
}

EVIDENCE = ["topic", "partition", "record_offset", "record_timestamp", "key", "value", "headers", "created_at"]
OF_OWNERS = [
    "DROP TABLE {table} CASCADE",
    "ALTER TABLE {table} ADD COLUMN mine text",
    "ALTER TABLE {table} DISABLE TRIGGER ALL",
    "ALTER TABLE {table} DISABLE TRIGGER USER",
    "ALTER TABLE {table} OWNER TO CURRENT_USER",
    "CREATE INDEX ON {table} ((1))",
    "CREATE TRIGGER mine BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION run_events_refuse_update()",
    "CREATE RULE mine AS ON INSERT TO {table} DO INSTEAD NOTHING",
    "CREATE POLICY mine ON {table}",
]
OF_ADMINISTRATORS = [
    "CREATE TABLE mine ()",
    "CREATE FUNCTION mine() RETURNS void LANGUAGE sql AS ''",
    "CREATE OR REPLACE FUNCTION run_events_refuse_update() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "DROP FUNCTION run_events_refuse_update() CASCADE",
    "DROP TRIGGER run_events_append_only ON run_events",
    "SET session_replication_role = replica",
    "CREATE SCHEMA mine",
    "CREATE ROLE mine",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "CREATE DATABASE mine",
    "ALTER DATABASE {name} SET default_transaction_read_only = on",
    "ALTER SYSTEM SET fsync = off",
]
OF_SUPERUSERS = [
    "SELECT pg_read_file('PG_VERSION')",
    "COPY run_events TO PROGRAM 'true'",
    "COPY run_events TO '/tmp/events'",
    "SELECT * FROM pg_authid",
    "SELECT lo_import('/etc/passwd')",
    "SELECT pg_reload_conf()",
]


@asynccontextmanager
async def _login(pipeline: Pipeline, group: str) -> AsyncIterator[Pipeline]:
    """The pipeline as a login sees it that has nothing but this group role."""
    async with login(pipeline.database, group) as database:
        yield replace(pipeline, database=database)


async def _refused(pipeline: Pipeline, statements: list[str]) -> None:
    connection = await asyncpg.connect(pipeline.database)
    for statement in statements:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            pytest.fail(f"not refused: {await connection.execute(statement)}: {statement}")
    await connection.close()


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
        # Of a letter it changes what became of it, not what it is.
        await _refused(consumer, [f"UPDATE dead_letters SET {column} = NULL" for column in EVIDENCE])
        await _refused(consumer, ["UPDATE _pogo_migration SET migration_id = 'none'", "DELETE FROM _pogo_migration"])


@pytest.mark.parametrize("group", [CONSUMER, READER])
async def test_neither_role_gets_beyond_its_tables(pipeline: Pipeline, make_database: MakeDatabase, group: str) -> None:
    # Given a login with one of the roles, another session's backend, and another database of ours,
    name = pipeline.database.rpartition("/")[2]
    other_role = READER if group == CONSUMER else CONSUMER
    stranger = await asyncpg.connect(pipeline.database)
    async with _login(pipeline, group) as intruder:
        # when it tries to change the house, then the database refuses.
        for table in WRITES:
            await _refused(intruder, [statement.format(table=table) for statement in OF_OWNERS])
        await _refused(intruder, [statement.format(name=name) for statement in OF_ADMINISTRATORS])
        # Nor does it become somebody else, read the server's files, look at its passwords, or end others' sessions.
        await _refused(intruder, [f"SET ROLE {other_role}", f"GRANT {other_role} TO CURRENT_USER"])
        await _refused(intruder, OF_SUPERUSERS)
        await _refused(intruder, [f"SELECT pg_terminate_backend({stranger.get_server_pid()})"])
        await _refused(intruder, [f"SELECT pg_cancel_backend({stranger.get_server_pid()})"])
        # What others say in their sessions it is not shown either.
        shown = await intruder.rows("SELECT DISTINCT query FROM pg_stat_activity WHERE usename <> current_user")
        assert shown == [("<insufficient privilege>",)]
        # And what it may do here it may not do where no `migrate` has given it anything.
        elsewhere = await make_database()
        await execute(elsewhere, "CREATE TABLE of_others (); REVOKE ALL ON agent_runs FROM " + group)
        there = replace(intruder, database=urlsplit(intruder.database)._replace(path=urlsplit(elsewhere).path).geturl())
        await _refused(there, ["SELECT * FROM of_others", "SELECT * FROM agent_runs"])
    await stranger.close()


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
