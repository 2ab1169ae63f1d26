"""The liveness rules, which must hold after the faults. Each is measured and has a bound.

L1  the lag reaches 0
L2  no partition stops: checked with L1, because the lag is the sum over all partitions
L3  a consumer that makes no progress is unhealthy; one that makes progress is healthy
L4  a consumer ends in time after SIGTERM (checked in `fleet`)
L5  no leaks: memory, open files, and sessions, locks and prepared transactions in PostgreSQL
L6  the throughput under faults is a share of the throughput without
"""

from __future__ import annotations

import asyncio
from time import monotonic

import asyncpg

from tests.nemesis.environment import Endpoints
from tests.nemesis.faults.consumers import SESSION_S
from tests.nemesis.fleet import DATABASE_S, STALL_S, Fleet
from tests.support.servers.topics import end_offsets
from tests.support.waiting import until

# Until the last consumer works again: two session timeouts, a client that stalls and is replaced, a rebalance that
# waits for its slowest member (10 s, aiokafka's minimum), a request to the topic's log (10 s), and a database timeout.
RECOVERS_WITHIN_S = 2 * SESSION_S + STALL_S + 10 + 10 + DATABASE_S
# Then the backlog is stored at half of the calm rate or faster. That is far below the capacity.
CATCHES_UP_AT = 0.5
SPARE_S = 10.0  # for a busy machine
LEAST_SHARE = 0.1  # of the calm throughput: faults are active nearly all the time, and brokers start slowly
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
    """L1: the time within which the lag must reach 0 after the last fault, in seconds."""
    return RECOVERS_WITHIN_S + backlog / max(1.0, calm_rate * CATCHES_UP_AT)


def too_slow(faults_rate: float, calm_rate: float) -> str | None:
    """L6: the violation, if the throughput under faults (records a second) is below LEAST_SHARE of the calm one."""
    if faults_rate >= LEAST_SHARE * calm_rate:
        return None
    return f"L6: {faults_rate:.0f} records a second under faults, {calm_rate:.0f} without"


async def lag(endpoints: Endpoints) -> int:
    """The number of offsets in the log that are not passed yet."""
    ends = await end_offsets(endpoints.direct.servers.bootstrap_servers, endpoints.direct.topic)
    return sum(ends.values()) - await endpoints.direct.consumed_records()


async def catches_up(endpoints: Endpoints, fleet: Fleet, deadline: float) -> str | None:
    """L1, L3: wait for lag 0. Returns the violation: the deadline has passed, or no progress and all are healthy."""
    least, moved_at = await lag(endpoints), monotonic()
    while (now := await lag(endpoints)) > 0:
        if now < least:
            least, moved_at = now, monotonic()
        if monotonic() > deadline:
            return f"L1: a lag of {now} at the deadline, and no progress for {monotonic() - moved_at:.1f} s"
        stuck_s = monotonic() - moved_at
        if stuck_s > STALL_S + SPARE_S and all(member.unhealthy_at < moved_at for member in fleet.members):
            return f"L3: a lag of {now} without progress for {stuck_s:.1f} s, and all consumers report healthy"
        await asyncio.sleep(0.3)
    return None


async def all_unhealthy(fleet: Fleet, since: float) -> str | None:
    """L3: wait until each member has reported unhealthy since that time. Returns the violation."""
    deadline_s = STALL_S + SPARE_S

    def unhealthy() -> bool:
        return all(member.unhealthy_at > since for member in fleet.members)

    try:
        await until(unhealthy, "all consumers are unhealthy", since + deadline_s - monotonic())
    except AssertionError:
        healthy = sum(member.unhealthy_at <= since for member in fleet.members)
        return f"L3: {healthy} of {len(fleet.members)} consumers reported healthy {deadline_s} s into an outage"
    return None


async def all_healthy(fleet: Fleet) -> str | None:
    """L3: wait until each member reports healthy. Returns the violation."""

    async def healthy() -> bool:
        return all([await member.healthy() for member in fleet.members])

    try:
        await until(healthy, "all consumers are healthy", STALL_S + SPARE_S)
    except AssertionError:
        return "L3: a consumer reported unhealthy after all records were stored"
    return None


async def leftovers(endpoints: Endpoints) -> list[str]:
    """L5: the violation, if sessions, locks or prepared transactions are left after all consumers have ended."""
    connection = await asyncpg.connect(endpoints.direct.database)
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
