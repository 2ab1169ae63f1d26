"""Computes the columns of a run again from its stored events. Does no I/O.

The service's own fold is in `consumer/ingest/sequencing.py`. This one is written separately, so that a mistake in one
of them becomes a difference. Both call `agent_runs.status.fold`, because that function defines the status and the
questions.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from agent_runs.status import RunState, fold

JSON_COLUMNS: Final = ("open_questions", "answered_questions", "labels")
_NO_AGENT = "unknown"


class StoredEvent(msgspec.Struct, gc=False):
    """A row of the query `events_to_fold`: what the columns of a run depend on, without the payload.

    Attributes:
        at: the record's timestamp, in milliseconds since 1970.
        is_consistent: whether the columns of the row agree with its message.
        has_raw: whether the row has the exact bytes beside the message.
        tool_name, role: of an event of a tool; at most 256 characters.
        tool: of an `input`; at most 256 characters.
        facts: of a `run_started` and an `events_dropped`: the fields that columns of the run are copied from, as JSON.
    """

    run_id: str
    seq: int
    id: str
    parent_event_id: str | None
    type: str
    at: int
    partition: int
    offset: int
    is_consistent: bool
    has_raw: bool
    tool_name: str | None
    role: str | None
    tool: str | None
    facts: bytes | None


class RunFold(msgspec.Struct):
    """The columns of a run after some of its events. Times are in milliseconds since 1970.

    Attributes:
        event_count: the sequence number that the next event must have.
    """

    event_count: int = 0
    state: RunState = RunState()
    created_at: int | None = None
    updated_at: int | None = None
    status_changed_at: int | None = None
    dropped_events: int = 0
    started_at: int | None = None
    agent_id: str = _NO_AGENT
    session_id: str | None = None
    parent_run_id: str | None = None
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)

    def advance(self, event: StoredEvent) -> None:
        """Fold one event. Continues at its sequence number if that is not the next one."""
        if self.created_at is None:
            self.created_at = self.status_changed_at = event.at
        self.event_count = event.seq + 1
        self.updated_at = event.at
        state = fold(self.state, event)
        if state.status is not self.state.status:
            self.status_changed_at = event.at
        self.state = state
        if event.facts is not None:
            self._copy(event, msgspec.json.decode(event.facts))

    def _copy(self, event: StoredEvent, facts: Mapping[str, Any]) -> None:
        if event.type == "events_dropped":
            # A damaged message may have any value.
            self.dropped_events += facts["count"] if isinstance(facts["count"], int) else 0
        elif self.started_at is None:  # the first run_started; later ones change nothing
            self.started_at = event.at
            self.agent_id = facts["agent_id"]
            self.session_id = facts["session_id"]
            self.parent_run_id = facts["parent_run_id"]
            labels = facts["labels"]
            # An earlier version has not validated this field.
            self.labels = labels if isinstance(labels, dict) else {}

    def columns(self, named_at: int) -> dict[str, Any]:
        """Return the columns that the events determine, by name; the values of JSON columns as Python objects.

        Args:
            named_at: for a run without events, the time of the earliest `run_started` that names it as a parent.
        """
        return {
            "event_count": self.event_count,
            "status": str(self.state.status),
            "created_at": named_at if self.created_at is None else self.created_at,
            "updated_at": named_at if self.updated_at is None else self.updated_at,
            "status_changed_at": named_at if self.status_changed_at is None else self.status_changed_at,
            "dropped_events": self.dropped_events,
            "started_at": self.started_at,
            "agent_id": self.agent_id,
            "session_id": self.session_id,
            "parent_run_id": self.parent_run_id,
            "completed_by_tool": self.state.completed_by_tool,
            "open_questions": msgspec.to_builtins([*self.state.open_questions]),
            "answered_questions": msgspec.to_builtins([*self.state.answered_questions]),
            "labels": self.labels,
        }
