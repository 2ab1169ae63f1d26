"""The schema: as it is written down, as the migrations make it, and as the database holds its invariants."""

import asyncio
import re
import subprocess
from pathlib import Path

import asyncpg
import pytest

from deploy.local.binaries import postgresql_binaries
from tests.support.messages import said
from tests.support.pipeline import Pipeline

SCHEMA = (Path(__file__).parents[2] / "schema" / "schema.sql").read_text(encoding="utf-8")
NAMES = re.compile(r"(?:CONSTRAINT|INDEX|TRIGGER) (\w+)")
# Table, what it is about, and which kind it is: PostgreSQL's own words, so that a name says where to look.
SUFFIXES = {"p": "pkey", "u": "key", "f": "fkey", "c": "check"}

# (The underscore: tables of the migration library.)
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


async def test_the_written_schema_is_what_the_migrations_make(database: str, empty_database: str) -> None:
    # Given a migrated database, and one in which schema.sql was run,
    connection = await asyncpg.connect(empty_database)
    await connection.execute(SCHEMA)
    await connection.close()
    # when both are dumped, then the dumps are the same, but for the migrations' own book-keeping.
    written, migrated = await _dump(empty_database), await _dump(database)
    assert written == migrated
    assert "CREATE TABLE public.run_events" in written


async def _dump(url: str) -> str:
    """The definitions of everything of ours; the grants are those of the roles, and made elsewhere."""
    command = [str(postgresql_binaries() / "pg_dump"), "--schema-only", "--no-owner", "--no-privileges"]
    command += ["--exclude-table=_pogo*", f"--dbname={url}"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    # `\restrict` has a key of its own in each dump.
    return "\n".join(line for line in done.stdout.splitlines() if line and not line.startswith(("--", "\\")))


async def test_every_constraint_and_index_has_a_name_by_the_same_pattern(pipeline: Pipeline) -> None:
    # Given all constraints and indexes of our tables, the NOT NULLs apart, which PostgreSQL names,
    constraints = await pipeline.rows(CONSTRAINTS)
    indexes = await pipeline.rows(INDEXES)
    # when their names are taken apart, then each begins with its table and ends with its kind,
    named = [(name, table, SUFFIXES[kind]) for name, table, kind in constraints]
    named += [(name, table, "idx") for name, table in indexes]
    assert {name for name, table, kind in named if not re.fullmatch(rf"{table}(_[a-z_]+)?_{kind}", name)} == set()
    # and schema.sql names them all: none was left for PostgreSQL to name.
    assert {name for name, _, _ in named} == set(NAMES.findall(SCHEMA)) - {"run_events_append_only"}


def test_every_constraint_and_index_says_which_rule_or_query_it_serves() -> None:
    # Given schema.sql, when the lines are taken that name something,
    lines = SCHEMA.splitlines()
    named = {number: NAMES.search(line) for number, line in enumerate(lines)}
    # then each has a comment: on its line, or on the line above.
    silent = [
        name[1]
        for number, name in named.items()
        if name and "--" not in lines[number] and not lines[number - 1].lstrip().startswith("--")
    ]
    assert silent == []


@pytest.mark.parametrize(
    "statement", ["UPDATE run_events SET event_type = 'other'", "UPDATE run_events SET raw = NULL WHERE false"]
)
async def test_events_cannot_be_changed_by_anybody(pipeline: Pipeline, statement: str) -> None:
    # Given a stored event, when somebody changes it, even as the owner of the table, then the database refuses.
    await pipeline.publish(*said("run", "a"))
    await pipeline.consume()
    with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
        await pipeline.rows(statement)


async def test_a_whole_run_can_be_forgotten_with_its_events(pipeline: Pipeline) -> None:
    # Given two runs, when one is deleted, then so are its events, and only those.
    await pipeline.publish(*said("forget", "a", "b"), *said("keep", "a"))
    await pipeline.consume()
    await pipeline.rows("DELETE FROM agent_runs WHERE id = 'forget'")
    assert await pipeline.rows("SELECT DISTINCT run_id FROM run_events") == [("keep",)]
