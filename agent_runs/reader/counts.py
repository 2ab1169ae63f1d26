"""How many runs have each status, at a cost that does not grow with the number of runs; and how many each agent has."""

from datetime import datetime
from typing import Final

import msgspec

from agent_runs.reader.connections import Row

EXACT_UP_TO: Final = 10_000


class StatusCount(msgspec.Struct, frozen=True, kw_only=True):
    """A number of runs.

    Attributes:
        count: the number.
        is_estimate: True: there are more than 10,000, and the number is computed from PostgreSQL's statistics, which
            autovacuum updates.
    """

    count: int
    is_estimate: bool


class AgentCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many runs of an agent have each status.

    Attributes:
        agent: the agent.
        runs: the number of its runs.
        running: how many of them are running; so for the next three.
        waiting: how many are waiting.
        completed: how many are completed.
        failed: how many are failed.
        last_failed_at: when a run that is failed now has failed last; None without such a run.
    """

    agent: str
    runs: int
    running: int
    waiting: int
    completed: int
    failed: int
    last_failed_at: datetime | None = None


def count_of_row(row: Row) -> StatusCount:
    """Return the count of a row of the query `count_runs_by_status`."""
    if row["found"] <= EXACT_UP_TO:
        return StatusCount(count=row["found"], is_estimate=False)
    return StatusCount(count=max(row["found"], round(row["estimate"])), is_estimate=True)
