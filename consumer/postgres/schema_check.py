"""Checks that the tables are in the schema AGENT_RUNS_SCHEMA: all of them, or none before the first `migrate`."""

from collections.abc import Collection

from consumer.postgres.store import Row, Store


def schema_access_problems(schema: str, server: Row) -> list[str]:
    """Return why the login cannot use the schema, as one sentence with the remedy; empty if it can.

    `server` is the row of the query `server_facts`.
    """
    if not server["schema_exists"]:
        return [
            f"AGENT_RUNS_SCHEMA: the schema {schema} does not exist: correct the setting, or CREATE SCHEMA {schema}"
        ]
    if not server["may_use"]:
        login = server["login"]
        return [f"the login {login} may not use the schema {schema}: GRANT USAGE ON SCHEMA {schema} TO {login}"]
    return []


async def misplaced_tables(store: Store, tables: Collection[str], *, migrated: bool) -> list[str]:
    """Return which tables are in another schema, as one sentence with the remedy; empty if none is.

    Args:
        store: the connection.
        tables: the names of all tables of the service.
        migrated: whether migrations were applied to the schema.
    """
    schema = store.schema
    found = {row["schema"]: set(row["tables"]) for row in await store.fetch("schemas_of_tables", list(tables))}
    missing = set(tables) - found.pop(schema, set())
    for name, present in found.items():
        elsewhere = sorted(missing & present)
        if migrated and elsewhere:
            return [
                f"these tables are in the schema {name} instead of {schema}, because of a search_path: "
                f"{', '.join(elsewhere)}; move each one, as in ALTER TABLE {name}.{elsewhere[0]} SET SCHEMA {schema}"
            ]
        if missing == present:
            return [f"AGENT_RUNS_SCHEMA: the tables are in the schema {name}, not in {schema}: correct the setting"]
    return []
