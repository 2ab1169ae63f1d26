"""A run as it is stored, without its events (`RunSummary`) and with them (`StoredRun`), and a page of a list."""

from datetime import datetime
from typing import Any

import msgspec

from agent_runs.questions import Question
from agent_runs.reader.stored_events import StoredEvent
from agent_runs.status import RunStatus


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A run without its events. Times are record timestamps, in UTC.

    Attributes:
        id: the run's id.
        parent_run_id: the run that spawned this one.
        agent: the agent that executes the run; `unknown` before its `run_started`.
        session_id: the conversation that the run belongs to.
        created_at: of the first event.
        updated_at: of the last event.
        status: the fold of the run's events.
        event_count: how many events are stored.
        status_changed_at: of the event that last changed the status.
        started_at: of the first `run_started`; None before it.
        dropped_events: how many events the producer reports as dropped.
        open_questions: its requests of waiting tools without an answer, oldest first.
        labels: those of its first `run_started`, by name.
    """

    id: str
    parent_run_id: str | None = None
    agent: str
    session_id: str | None = None
    created_at: datetime
    updated_at: datetime
    status: RunStatus
    event_count: int
    status_changed_at: datetime
    started_at: datetime | None = None
    dropped_events: int = 0
    open_questions: list[Question] = []
    labels: dict[str, str] = {}

    def to_json(self) -> bytes:
        """Return the run as JSON: `id, parent_run_id, agent, session_id, created_at, updated_at, status`, and the rest.

        A `StoredRun` has its `events` after `status`.
        """
        return msgspec.json.encode(self._as_dict())

    def _as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in RunSummary.__struct_fields__}


class StoredRun(RunSummary, frozen=True, kw_only=True):
    """A run with all its events, as of one moment: the events are those that the other fields describe.

    Attributes:
        events: the events in the order of `seq`.
    """

    events: list[StoredEvent]

    def _as_dict(self) -> dict[str, Any]:
        fields = list(super()._as_dict().items())
        after_status = list(RunSummary.__struct_fields__).index("status") + 1
        events = ("events", [event._as_dict() for event in self.events])  # noqa: SLF001  # the same JSON shape
        return dict([*fields[:after_status], events, *fields[after_status:]])


class RunPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a list of runs, newest first.

    Attributes:
        runs: the runs of this page.
        cursor: pass it to the same function for the next page; None on the last page.
    """

    runs: list[RunSummary]
    cursor: str | None = None
