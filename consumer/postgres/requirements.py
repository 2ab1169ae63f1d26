"""What a command needs of the database: version, encoding, migrations, its topic, and the rights of its login.

All unmet requirements are reported at once, before the command does its first work.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from consumer.errors import UsageError
from consumer.postgres.identity_check import identity_problems
from consumer.postgres.pooler_check import pooler_problems
from consumer.postgres.schema_check import misplaced_tables, schema_access_problems
from consumer.postgres.store import Row, Store

SCHEMA: Final = Path(__file__).parents[2] / "schema"
_OLDEST_VERSION: Final = 160000


class Right(NamedTuple):
    """A privilege on a table, or on one column if only single columns may be changed."""

    table: str
    privilege: str
    column: str | None = None


def _rights(**privileges_by_table: str) -> tuple[Right, ...]:
    return tuple(
        Right(table, privilege)
        for table, privileges in privileges_by_table.items()
        for privilege in privileges.split(",")
    )


# The rights that each command needs. `schema/roles.sql` grants all of them to `agent_runs_consumer`, and READ to
# `agent_runs_reader`.
READ: Final = _rights(
    agent_runs="SELECT",
    run_events="SELECT",
    consumer_offsets="SELECT",
    dead_letters="SELECT",
    dead_letter_history="SELECT",
    accepted_losses="SELECT",
    _pogo_migration="SELECT",
)
_TABLES: Final = {right.table for right in READ} - {"_pogo_migration"}
CONSUME: Final = _rights(
    agent_runs="SELECT,INSERT,UPDATE",
    run_events="SELECT,INSERT",
    consumer_offsets="SELECT,INSERT,UPDATE",
    dead_letters="SELECT,INSERT",
    _pogo_migration="SELECT",
)
_CHANGE_DEAD_LETTERS: Final = (
    *(Right("dead_letters", "UPDATE", name) for name in ("state", "retries", "reason", "detail", "updated_at")),
    Right("dead_letter_history", "INSERT"),
)
DISCARD: Final = READ + _CHANGE_DEAD_LETTERS
RETRY: Final = DISCARD + _rights(agent_runs="INSERT,UPDATE", run_events="INSERT")
SKIP: Final = READ + CONSUME + _rights(dead_letter_history="INSERT")
REBUILD: Final = READ + _rights(agent_runs="UPDATE")
ACCEPT_LOSS: Final = READ + _rights(consumer_offsets="UPDATE", accepted_losses="INSERT")


async def check_database(store: Store, rights: Sequence[Right]) -> None:
    """Check that the database is suitable, and that the login has these rights.

    Raises:
        UsageError: with one line for each unmet requirement, and its remedy.
    """
    server, problems = await _read_server(store)
    inaccessible = schema_access_problems(store.schema, server)
    lacking = await _lacking_rights(store, rights) if server["migrated"] and not inaccessible else []
    if inaccessible:
        problems += inaccessible
    elif lacking:
        problems.append(await _rights_problem(store, rights, lacking))
    else:  # the next queries need some of the rights
        problems += await _schema_problems(store) or await identity_problems(store, {right.table for right in rights})
    if problems:
        raise UsageError("\n".join(problems))


async def check_may_migrate(store: Store) -> None:
    """Check that `migrate` can create or change the tables, and that the database is suitable.

    Raises:
        UsageError: with one line for each unmet requirement, and its remedy.
    """
    server, problems = await _read_server(store)
    (facts,) = await store.fetch("migration_rights", sorted({right.table for right in READ}), store.schema)
    if inaccessible := schema_access_problems(store.schema, server):
        problems += inaccessible
    elif facts["owned_by_others"]:
        problems.append(
            f"the tables belong to {', '.join(facts['owned_by_others'])}: run `migrate` as that login, or grant the "
            f"role to {facts['login']}"
        )
    elif not facts["may_create"]:
        problems.append(
            f"the login {facts['login']} may not create tables: run `migrate` as the owner of the database, or "
            f"GRANT CREATE ON SCHEMA {store.schema} TO {facts['login']}"
        )
    elif await applied_migrations(store):
        problems += await misplaced_tables(store, _TABLES, migrated=True)
    if problems:
        raise UsageError("\n".join(problems))


async def _read_server(store: Store) -> tuple[Row, list[str]]:
    """Return the row of the query `server_facts`, and why the server is not suitable.

    Raises:
        UsageError: a connection pooler is not suitable.
    """
    if pooler := await pooler_problems(store):
        raise UsageError("\n".join(pooler))
    (server,) = await store.fetch("server_facts", store.schema)
    return server, _server_problems(server["version_num"], server["version"], server["encoding"])


async def applied_migrations(store: Store) -> set[str]:
    """Return the names of the migrations applied to the schema."""
    (server,) = await store.fetch("server_facts", store.schema)
    if not server["migrated"]:
        return set()
    return {row["migration_id"] for row in await store.fetch("applied_migrations", store.schema)}


def _server_problems(version_num: int, version: str, encoding: str) -> list[str]:
    problems = []
    if version_num < _OLDEST_VERSION:
        problems.append(f"PostgreSQL {version} is too old: version 16 or newer is needed")
    if encoding != "UTF8":
        problems.append(f"the database has the encoding {encoding}: create one with ENCODING 'UTF8'")
    return problems


async def _schema_problems(store: Store) -> list[str]:
    applied = await applied_migrations(store)
    if misplaced := await misplaced_tables(store, _TABLES, migrated=bool(applied)):
        return misplaced
    missing = {path.stem for path in (SCHEMA / "migrations").glob("*.sql")} - applied
    if missing:
        return [f"migrations are missing ({', '.join(sorted(missing))}): run `agent-runs-consumer migrate` first"]
    return [
        f"this database holds the topic {row['topic']!r}, not {store.topic!r}: a database holds one topic "
        "(set AGENT_RUNS_TOPIC, or set DATABASE_URL to another database)"
        for row in await store.fetch("other_topics", store.topic)
    ]


async def _lacking_rights(store: Store, rights: Sequence[Right]) -> list[Right]:
    tables, privileges, columns = (list(column) for column in zip(*rights, strict=True))
    return [rights[row["position"] - 1] for row in await store.fetch("lacking_rights", tables, privileges, columns)]


async def _rights_problem(store: Store, rights: Sequence[Right], lacking: Sequence[Right]) -> str:
    group = "agent_runs_reader" if set(rights) <= set(READ) else "agent_runs_consumer"
    (facts,) = await store.fetch("group_role", group)
    by_table: defaultdict[str, list[str]] = defaultdict(list)
    for table, privilege, column in lacking:
        by_table[table].append(privilege if column is None else f"{privilege} ({column})")
    missing = "; ".join(f"{', '.join(privileges)} on {table}" for table, privileges in sorted(by_table.items()))
    grant = f"GRANT {group} TO {facts['login']}"
    if not facts["role_exists"]:
        remedy = f"run `agent-runs-consumer migrate` as a login that may create the role {group}, then {grant}"
    elif facts["is_member"]:
        remedy = f"run `agent-runs-consumer migrate`, which grants the role {group} its rights"
    else:
        remedy = grant
    return f"the login {facts['login']} lacks rights ({missing}): {remedy}"
