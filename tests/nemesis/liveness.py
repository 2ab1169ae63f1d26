"""What has to hold when the faults are over: L1 to L6, each measured, each with its bound."""

from __future__ import annotations

import asyncio
from time import monotonic

import asyncpg

from tests.nemesis.faults.consumers import SESSION_S
from tests.nemesis.fleet import DATABASE_S, STALL_S, Fleet
from tests.nemesis.world import Room
from tests.support.waiting import until

# What may pass before the last consumer works again: two sessions, a client that stalls and is made anew, a group that
# waits for its slowest member (aiokafka's least), an answer that is waited for (the log's), a database that gives none.
RECOVERS_WITHIN_S = 2 * SESSION_S + STALL_S + 10 + 10 + DATABASE_S
# Then the backlog, at half the rate at which the calm load was stored: that is far below what could be.
CATCHES_UP_AT = 0.5
SPARE_S = 10.0  # of a machine that has other work
LEAST_SHARE = 0.1  # of the calm throughput, while faults run nearly all the time and brokers take their time to start
GONE_WITHIN_S = 15.0
SESSIONS = """
    SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
LOCKS = """
    SELECT count(*) FROM pg_locks
     WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()
"""
PREPARED = "SELECT count(*) FROM pg_prepared_xacts"


def bound_s(backlog: int, calm_rate: float) -> float:
    """L1: how long the lag may take to reach 0 after the last fault."""
    return RECOVERS_WITHIN_S + backlog / max(1.0, calm_rate * CATCHES_UP_AT)


def too_slow(hurt_rate: float, calm_rate: float) -> str | None:
    """L6: what is stored under faults, in records a second, has a share of what is stored without."""
    if hurt_rate >= LEAST_SHARE * calm_rate:
        return None
    return f"L6: {hurt_rate:.0f} records a second under faults, {calm_rate:.0f} without"


async def lag(room: Room) -> int:
    """Records in the log that are not passed."""
    ends = await room.direct.ends()
    return sum(ends.values()) - await room.direct.stored()


async def catches_up(room: Room, fleet: Fleet, deadline: float) -> str | None:
    """Wait for lag 0. Says what is wrong: it takes too long, or stands still and nobody says so."""
    least, moved_at = await lag(room), monotonic()
    while (now := await lag(room)) > 0:
        if now < least:
            least, moved_at = now, monotonic()
        if monotonic() > deadline:
            return f"L1: a lag of {now} when the bound had passed, and no progress for {monotonic() - moved_at:.1f} s"
        stuck_s = monotonic() - moved_at
        if stuck_s > STALL_S + SPARE_S and all(member.red_at < moved_at for member in fleet.members):
            return f"L3: a lag of {now} without progress for {stuck_s:.1f} s, and all say that they are well"
        await asyncio.sleep(0.3)
    return None


async def all_red(fleet: Fleet, since: float) -> str | None:
    """Wait until each member has said that it is not well. Says who has not, in time."""
    deadline_s = STALL_S + SPARE_S
    try:
        await until(lambda: all(m.red_at > since for m in fleet.members), "red", since + deadline_s - monotonic())
    except AssertionError:
        green = sum(member.red_at <= since for member in fleet.members)
        return f"L3: {green} of {len(fleet.members)} consumers said they were well, {deadline_s} s into an outage"
    return None


async def all_green(fleet: Fleet) -> str | None:
    """Wait until each member says that it is well."""

    async def green() -> bool:
        return all([await member.healthy() for member in fleet.members])

    try:
        await until(green, "green", STALL_S + SPARE_S)
    except AssertionError:
        return "L3: a consumer said that it was not well, and all had been stored"
    return None


async def nothing_left(room: Room) -> list[str]:
    """When all consumers have ended: sessions, locks and prepared transactions that are still there."""
    connection = await asyncpg.connect(room.direct.database)
    found: dict[str, int] = {}

    async def gone() -> bool:
        for what, query in (("sessions", SESSIONS), ("locks", LOCKS), ("prepared transactions", PREPARED)):
            found[what] = await connection.fetchval(query)
        return not any(found.values())

    try:
        await until(gone, "nothing is left", GONE_WITHIN_S)
    except AssertionError:
        return [f"L5: left in PostgreSQL: {found}"]
    finally:
        await connection.close()
    return []
