"""The schema: `schema.sql` equals the migrations, constraints follow a naming pattern, events are append-only."""

import asyncio
import re
import subprocess
from pathlib import Path

import asyncpg
import pytest

from deploy.local.binaries import postgresql_binaries
from tests.support.messages import events_of
from tests.support.scene import Scene
from tests.support.servers.clients import connect

SCHEMA = (Path(__file__).parents[2] / "schema" / "schema.sql").read_text(encoding="utf-8")
NAMES = re.compile(r"(?:CONSTRAINT|INDEX|TRIGGER) (\w+)")
# A name consists of the table, the subject and the kind. These are PostgreSQL's suffixes for the kinds.
SUFFIXES = {"p": "pkey", "u": "key", "f": "fkey", "c": "check"}

COLUMN = re.compile(r"    (\w+) +(?:text|timestamptz|integer|bigint|jsonb|bytea|boolean)\b.*?(?:-- (.*))?$")
MORE_OF_A_COMMENT = re.compile(r" {10,}-- (.*)$")

# Tables with a leading underscore belong to the migration library.
CONSTRAINTS = """
    SELECT c.conname, t.relname, c.contype::text
      FROM pg_constraint AS c JOIN pg_class AS t ON t.oid = c.conrelid
     WHERE t.relnamespace = 'public'::regnamespace AND t.relname !~ '^_' AND c.contype IN ('p', 'u', 'f', 'c')
"""
INDEXES = """
    SELECT n.relname, t.relname
      FROM pg_index AS i JOIN pg_class AS t ON t.oid = i.indrelid JOIN pg_class AS n ON n.oid = i.indexrelid
     WHERE t.relnamespace = 'public'::regnamespace AND t.relname !~ '^_'
       AND NOT EXISTS (SELECT FROM pg_constraint AS c WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u'))
"""


async def test_schema_sql_gives_the_same_database_as_the_migrations(database: str, empty_database: str) -> None:
    # Given a migrated database, and one on which schema.sql was run,
    connection = await asyncpg.connect(empty_database)
    await connection.execute(SCHEMA)
    await connection.close()
    # when both are dumped, then the dumps are equal, apart from the migration library's tables.
    written, migrated = await _dump(empty_database), await _dump(database)
    assert written == migrated
    assert "CREATE TABLE public.run_events" in written


async def _dump(url: str) -> str:
    """The schema without grants, which roles.sql makes, and without the migration library's tables."""
    command = [str(postgresql_binaries() / "pg_dump"), "--schema-only", "--no-owner", "--no-privileges"]
    command += ["--exclude-table=_pogo*", f"--dbname={url}"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    # `\restrict` has a different key in each dump.
    return "\n".join(line for line in done.stdout.splitlines() if line and not line.startswith(("--", "\\")))


async def test_every_constraint_and_index_is_named_by_the_pattern(scene: Scene) -> None:
    # Given all constraints and indexes of the tables, without NOT NULL constraints, which PostgreSQL names,
    constraints = await scene.rows(CONSTRAINTS)
    indexes = await scene.rows(INDEXES)
    # when their names are parsed, then each begins with its table and ends with its kind,
    named = [(name, table, SUFFIXES[kind]) for name, table, kind in constraints]
    named += [(name, table, "idx") for name, table in indexes]
    assert {name for name, table, kind in named if not re.fullmatch(rf"{table}(_[a-z_]+)?_{kind}", name)} == set()
    # and schema.sql names all of them; PostgreSQL chose no name.
    assert {name for name, _, _ in named} == set(NAMES.findall(SCHEMA)) - {"run_events_append_only"}


def test_every_constraint_and_index_has_a_comment() -> None:
    # Given schema.sql, when the lines that name a constraint, index or trigger are collected,
    lines = SCHEMA.splitlines()
    named = {number: NAMES.search(line) for number, line in enumerate(lines)}
    # then each has a comment, on its line or on the line above.
    uncommented = [
        name[1]
        for number, name in named.items()
        if name and "--" not in lines[number] and not lines[number - 1].lstrip().startswith("--")
    ]
    assert uncommented == []


DESCRIBED = """
    SELECT t.relname, a.attname, col_description(t.oid, a.attnum) AS comment,
           obj_description(t.oid, 'pg_class') AS of_table
      FROM pg_class AS t JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE t.relnamespace = 'public'::regnamespace AND t.relname !~ '^_' AND t.relkind IN ('r', 'v')
"""


def comments_in_schema() -> dict[tuple[str, str], str]:
    """The comments behind the columns in schema.sql, by table and column; a long one continues on the next lines."""
    found: dict[tuple[str, str], str] = {}
    for table, body in re.findall(r"CREATE TABLE (\w+) \((.*?)\n\)", SCHEMA, re.DOTALL):
        name = ""
        for line in body.splitlines():
            if column := COLUMN.match(line):
                name = column[1]
                found[table, name] = column[2] or ""
            elif more := MORE_OF_A_COMMENT.match(line):
                found[table, name] += f" {more[1]}"
    return {key: text for key, text in found.items() if text}


async def test_every_table_column_and_view_has_a_comment_in_the_database(database: str) -> None:
    async with connect(database) as connection:
        rows = await connection.fetch(DESCRIBED)

    assert [row for row in rows if not (row["comment"] and row["of_table"])] == []


async def test_a_comment_on_a_column_in_the_database_is_the_one_in_schema_sql(database: str) -> None:
    async with connect(database) as connection:
        stored = {(row["relname"], row["attname"]): row["comment"] for row in await connection.fetch(DESCRIBED)}
    written = comments_in_schema()
    # One comment in schema.sql is for five columns.
    del written["accepted_losses", "first_offset"]

    assert len(written) > 30
    assert {key: stored[key] for key in written} == written


@pytest.mark.parametrize(
    "statement", ["UPDATE run_events SET event_type = 'other'", "UPDATE run_events SET raw = NULL WHERE false"]
)
async def test_the_database_refuses_every_update_of_events(scene: Scene, statement: str) -> None:
    # Given a stored event, when the owner of the table updates it, then the database refuses.
    await scene.publish(*events_of("run", "a"))
    await scene.consume()
    with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
        await scene.rows(statement)


async def test_deleting_a_run_deletes_its_events(scene: Scene) -> None:
    # Given two runs, when one is deleted, then its events are deleted, and only those.
    await scene.publish(*events_of("forget", "a", "b"), *events_of("keep", "a"))
    await scene.consume()
    await scene.rows("DELETE FROM agent_runs WHERE id = 'forget'")
    assert await scene.rows("SELECT DISTINCT run_id FROM run_events") == [("keep",)]
