"""Each group role has exactly the rights that its users need."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import asyncpg
import pytest

from consumer.errors import OperatorNeeded
from tests.support.messages import Message, event, events_of
from tests.support.scene import Scene
from tests.support.servers import MakeDatabase
from tests.support.servers.clients import execute
from tests.support.servers.logins import CONSUMER, READER, login
from tests.support.servers.topics import delete_records_before

WRITES = {
    "agent_runs": "id, agent_id, status, created_at, updated_at, status_changed_at",
    "run_events": "id, run_id, event_seq, event_type, event_data, created_at, source_partition, source_offset",
    "consumer_offsets": "topic, partition, first_offset, next_offset",
    "dead_letters": "topic, partition, record_offset, headers, reason, detail",
    "accepted_losses": "topic, partition, first_offset, next_offset, repeats, resumed_at, reason, accepted_by",
}

EVIDENCE = ["topic", "partition", "record_offset", "record_timestamp", "key", "value", "headers", "created_at"]
OWNER_STATEMENTS = [
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
ADMINISTRATOR_STATEMENTS = [
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
SUPERUSER_STATEMENTS = [
    "SELECT pg_read_file('PG_VERSION')",
    "COPY run_events TO PROGRAM 'true'",
    "COPY run_events TO '/tmp/events'",
    "SELECT * FROM pg_authid",
    "SELECT lo_import('/etc/passwd')",
    "SELECT pg_reload_conf()",
]


@asynccontextmanager
async def _login(scene: Scene, group: str) -> AsyncIterator[Scene]:
    """The scene, connected with a login that has only this group role."""
    async with login(scene.database, group) as database:
        yield replace(scene, database=database)


async def _refused(scene: Scene, statements: list[str]) -> None:
    connection = await asyncpg.connect(scene.database)
    for statement in statements:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            pytest.fail(f"not refused: {await connection.execute(statement)}: {statement}")
    await connection.close()


async def test_the_consumer_role_has_every_right_that_the_service_needs(scene: Scene) -> None:
    # Given a login with the consumer's role, and records of every kind,
    started = event("start", "run_started", parent_run_id="parent")
    records = [
        Message(b"run", started),
        *events_of("run", "a", "a"),
        Message(b"run", event("a", data=1)),
        Message(b"run", b""),
    ]
    await scene.publish(*records)
    async with _login(scene, CONSUMER) as consumer:
        # when it consumes them,
        await consumer.consume()
        await scene.assert_consistent()
        # and records are lost, and the operator accepts the loss with the same login,
        await scene.publish(*events_of("run", "lost", "kept"))
        await delete_records_before(scene.servers.bootstrap_servers, scene.topic, len(records) + 1)
        with pytest.raises(OperatorNeeded):
            await consumer.consume()
        accepted = await consumer.command("offsets", "accept-loss", "--partition", "0", "--by", "Ada")
        assert accepted.exit_code == 0, accepted.output
        await consumer.consume()
        # then no statement was refused; `verify` needs no other right either.
        assert await scene.event_ids("run") == ["start", "a", "kept"]
        verified = await consumer.command("verify", "--topic")
        assert verified.exit_code == 0, verified.output


async def test_the_consumer_role_cannot_delete_or_change_stored_rows(scene: Scene) -> None:
    # Given a login with the consumer's role, when it deletes, truncates or updates rows, then the database refuses.
    async with _login(scene, CONSUMER) as consumer:
        await _refused(consumer, [f"DELETE FROM {table}" for table in WRITES])
        await _refused(consumer, [f"TRUNCATE {table} CASCADE" for table in WRITES])
        await _refused(consumer, ["UPDATE run_events SET raw = NULL", "UPDATE accepted_losses SET accepted_by = 'me'"])
        # It may update the state of a dead letter, but not the columns that are evidence.
        await _refused(consumer, [f"UPDATE dead_letters SET {column} = NULL" for column in EVIDENCE])
        await _refused(consumer, ["UPDATE _pogo_migration SET migration_id = 'none'", "DELETE FROM _pogo_migration"])


@pytest.mark.parametrize("group", [CONSUMER, READER])
async def test_neither_role_can_change_the_schema_or_reach_other_roles_sessions_and_databases(
    scene: Scene, make_database: MakeDatabase, group: str
) -> None:
    # Given a login with one of the roles, the backend of another login, and a second database,
    name = scene.database.rpartition("/")[2]
    other_role = READER if group == CONSUMER else CONSUMER
    stranger = await asyncpg.connect(scene.database)
    async with _login(scene, group) as intruder:
        # when it tries to change the schema or the server, then the database refuses.
        for table in WRITES:
            await _refused(intruder, [statement.format(table=table) for statement in OWNER_STATEMENTS])
        await _refused(intruder, [statement.format(name=name) for statement in ADMINISTRATOR_STATEMENTS])
        # It cannot become another role, read the server's files or passwords, or end sessions of other logins.
        await _refused(intruder, [f"SET ROLE {other_role}", f"GRANT {other_role} TO CURRENT_USER"])
        await _refused(intruder, SUPERUSER_STATEMENTS)
        await _refused(intruder, [f"SELECT pg_terminate_backend({stranger.get_server_pid()})"])
        await _refused(intruder, [f"SELECT pg_cancel_backend({stranger.get_server_pid()})"])
        # It does not see the queries of other logins.
        shown = await intruder.rows("SELECT DISTINCT query FROM pg_stat_activity WHERE usename <> current_user")
        assert shown == [("<insufficient privilege>",)]
        # And it has no rights in a database where `migrate` has not granted it any.
        elsewhere = await make_database()
        await execute(elsewhere, "CREATE TABLE of_others (); REVOKE ALL ON agent_runs FROM " + group)
        there = replace(intruder, database=urlsplit(intruder.database)._replace(path=urlsplit(elsewhere).path).geturl())
        await _refused(there, ["SELECT * FROM of_others", "SELECT * FROM agent_runs"])
    await stranger.close()


async def test_the_reader_role_only_reads(scene: Scene) -> None:
    # Given a consumed topic, and a login with the reader's role,
    await scene.publish(*events_of("run", "a"), Message(b"run", b""))
    await scene.consume()
    async with _login(scene, READER) as reader:
        # when it reads, then it sees all tables,
        assert await reader.event_ids("run") == ["a"]
        for table in WRITES:
            await reader.rows(f"SELECT * FROM {table}")
        # and when it writes to any of them, then the database refuses.
        for table, columns in WRITES.items():
            insert = f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}"
            update = f"UPDATE {table} SET {columns.partition(',')[0]} = NULL"
            await _refused(reader, [insert, update, f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"])
