"""Finds what operators have added to the service's tables, such as triggers and indexes."""

import re
from functools import cache
from typing import Final

from consumer.postgres.requirements import SCHEMA
from consumer.postgres.store import Store

# Constraints include primary keys, and each index and trigger has a name of its own.
_NAMES: Final = re.compile(r"(?:CONSTRAINT|INDEX|TRIGGER) (\w+)")


async def added_objects(store: Store) -> list[str]:
    """Return the objects that can refuse a row and are not in `schema.sql`, each with its kind, name and table."""
    rows = await store.fetch("added_objects", _schema_names())
    return [row["description"] for row in rows]


@cache
def _schema_names() -> list[str]:
    return _NAMES.findall((SCHEMA / "schema.sql").read_text(encoding="utf-8"))
