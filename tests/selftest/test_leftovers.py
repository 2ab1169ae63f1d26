"""The nemesis finds what consumers would leave behind in PostgreSQL."""

from types import SimpleNamespace
from typing import cast

import asyncpg
import pytest

from tests.nemesis import liveness
from tests.nemesis.world import Room


async def test_l5_a_session_and_its_locks_are_found_for_as_long_as_they_are_there(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a session with a lock that nobody gives back, when it is looked for, then it is found,
    monkeypatch.setattr(liveness, "GONE_WITHIN_S", 0.3)
    room = cast("Room", SimpleNamespace(direct=SimpleNamespace(database=database)))
    connection = await asyncpg.connect(database)
    await connection.execute("BEGIN; LOCK TABLE agent_runs")
    (found,) = await liveness.nothing_left(room)
    assert found.startswith("L5: left in PostgreSQL: {'sessions': 1, 'locks': ")
    assert "'locks': 0" not in found
    # and when it is gone, then nothing is.
    await connection.close()
    monkeypatch.setattr(liveness, "GONE_WITHIN_S", 10)
    assert await liveness.nothing_left(room) == []
