"""The nemesis finds sessions and locks that consumers leave in PostgreSQL (L5)."""

from types import SimpleNamespace
from typing import cast

import asyncpg
import pytest

from tests.nemesis import liveness
from tests.nemesis.environment import Endpoints


async def test_l5_reports_a_session_and_its_locks_until_they_are_gone(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an open session with a lock, then both are reported,
    monkeypatch.setattr(liveness, "GONE_WITHIN_S", 0.3)
    endpoints = cast("Endpoints", SimpleNamespace(direct=SimpleNamespace(database=database)))
    connection = await asyncpg.connect(database)
    await connection.execute("BEGIN; LOCK TABLE agent_runs")
    (found,) = await liveness.leftovers(endpoints)
    assert found.startswith("L5: left in PostgreSQL: {'sessions': 1, 'locks': ")
    assert "'locks': 0" not in found
    # and after it is closed, nothing is reported.
    await connection.close()
    monkeypatch.setattr(liveness, "GONE_WITHIN_S", 60)
    assert await liveness.leftovers(endpoints) == []
