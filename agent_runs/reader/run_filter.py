"""Which runs a list contains."""

from datetime import UTC, datetime, timedelta

import msgspec

from agent_runs.reader.runs import RunSummary
from agent_runs.status import RunStatus


class RunFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which runs a list contains: those that meet every condition that is not None or False.

    Attributes:
        status: runs of this status.
        agent: runs of this agent.
        session: runs of this session.
        parent: children of this run.
        created_from: runs created at this time or later.
        created_before: runs created before this time.
        updated_from: runs whose last event is of this time or later.
        updated_before: runs whose last event is older than this time.
        stale_for: running runs whose last event is older than this duration.
        has_dropped_events: runs whose producer reports dropped events.
        labels: runs that have all of these labels.
        has_open_questions: runs with a request of a waiting tool that nobody has answered.
        top_level: runs without a parent.
    """

    status: RunStatus | None = None
    agent: str | None = None
    session: str | None = None
    parent: str | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None
    updated_from: datetime | None = None
    updated_before: datetime | None = None
    stale_for: timedelta | None = None
    has_dropped_events: bool = False
    labels: dict[str, str] | None = None
    has_open_questions: bool = False
    top_level: bool = False

    def matches(self, run: RunSummary) -> bool:
        """Whether a run meets every condition, as the query `list_runs` decides it."""
        silent_for = datetime.now(UTC) - run.updated_at
        conditions = (
            self.status in (None, run.status),
            self.agent in (None, run.agent),
            self.session in (None, run.session_id),
            self.parent in (None, run.parent_run_id),
            self.created_from is None or run.created_at >= self.created_from,
            self.created_before is None or run.created_at < self.created_before,
            self.updated_from is None or run.updated_at >= self.updated_from,
            self.updated_before is None or run.updated_at < self.updated_before,
            self.stale_for is None or (run.status is RunStatus.RUNNING and silent_for > self.stale_for),
            not self.has_dropped_events or run.dropped_events > 0,
            self.labels is None or self.labels.items() <= run.labels.items(),
            not self.has_open_questions or bool(run.open_questions),
            not self.top_level or run.parent_run_id is None,
        )
        return all(conditions)


def query_parameters(filter: RunFilter) -> tuple[object, ...]:
    """Return the conditions as the parameters of the query `list_runs`."""
    return (
        *(filter.status, filter.agent, filter.session, filter.parent),
        *(filter.created_from, filter.created_before, filter.updated_from, filter.updated_before),
        None if filter.stale_for is None else _ago(filter.stale_for),
        filter.has_dropped_events,
        msgspec.json.encode(filter.labels) if filter.labels else None,
        filter.has_open_questions,
        filter.top_level,
    )


def _ago(duration: timedelta) -> datetime:
    """Return the time so long ago, or the first one that Python has."""
    try:
        return datetime.now(UTC) - duration
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)
