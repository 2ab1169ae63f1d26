"""What the tables should say about a log, worked out one record at a time: no batches, no optimism, no database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from tests.checker.judgement import MAX_EVENT_BYTES, Event, Reason, Refused, judge
from tests.checker.log import Place, Record
from tests.checker.status import status_after
from tests.checker.tables import RunRow


@dataclass
class Run:
    """A run under the fold. It exists from its first event on."""

    id: str
    created_at: int
    updated_at: int
    status_changed_at: int
    status: str = "running"
    started: Event | None = None
    dropped_events: int = 0
    events: dict[str, Event] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Fold one more event, which is stored as number `len(events)`."""
        self.events[event.id] = event
        self.updated_at = event.record.timestamp
        self.dropped_events += event.count
        if event.type == "run_started" and self.started is None:
            self.started = event
        status = status_after(self.status, event.type, event.fields.get("tool_name"))
        if status != self.status:
            self.status, self.status_changed_at = status, event.record.timestamp

    def row(self) -> RunRow:
        return RunRow(
            id=self.id,
            parent_run_id=self.started.text("parent_run_id") if self.started else None,
            agent_id=(self.started.text("agent_id") if self.started else None) or "unknown",
            session_id=self.started.text("session_id") if self.started else None,
            status=self.status,
            created_at=self.created_at,
            updated_at=self.updated_at,
            event_count=len(self.events),
            status_changed_at=self.status_changed_at,
            dropped_events=self.dropped_events,
        )


class Letter(NamedTuple):
    record: Record
    reason: Reason


@dataclass
class Expected:
    """The one right outcome. Every record is in exactly one of events, letters and repeats.

    All records first, then the questions: `run_rows` is worked out once.
    """

    events: dict[Place, Event] = field(default_factory=dict)
    letters: dict[Place, Letter] = field(default_factory=dict)
    repeats: set[Place] = field(default_factory=set)
    runs: dict[str, Run] = field(default_factory=dict)

    def take(self, record: Record, max_event_bytes: int) -> None:
        try:
            event = judge(record, max_event_bytes)
        except Refused as refused:
            self.letters[record.place] = Letter(record, refused.reason)
            return
        stored = self.runs[event.run_id].events.get(event.id) if event.run_id in self.runs else None
        if stored is None:
            self._store(event)
        elif stored.has_same_content(event):
            self.repeats.add(record.place)
        else:
            self.letters[record.place] = Letter(record, Reason.EVENT_ID_CONFLICT)

    def _store(self, event: Event) -> None:
        now = event.record.timestamp
        run = self.runs.setdefault(event.run_id, Run(event.run_id, now, now, now))
        run.take(event)
        self.events[event.record.place] = event

    def places(self) -> set[Place]:
        return {*self.events, *self.letters, *self.repeats}

    def disposition(self, place: Place) -> str:
        """What a record should be, in words."""
        if place in self.letters:
            return f"a dead letter: {self.letters[place].reason}"
        return "a repeat" if place in self.repeats else "an event"

    @cached_property
    def run_rows(self) -> dict[str, RunRow]:
        """All rows of `agent_runs`: of the runs that have events, and of the parents that they only name."""
        named: dict[str, list[int]] = {}
        for run in self.runs.values():
            parent = run.started.text("parent_run_id") if run.started else None
            if run.started and parent and parent not in self.runs:
                named.setdefault(parent, []).append(run.started.record.timestamp)
        rows = {run.id: run.row() for run in self.runs.values()}
        return rows | {parent: _named_only(parent, min(times)) for parent, times in named.items()}


def expect(records: Iterable[Record], max_event_bytes: int = MAX_EVENT_BYTES) -> Expected:
    """The outcome of consuming the records once. Partitions may come in any order, each in its own."""
    expected = Expected()
    for record in records:
        expected.take(record, max_event_bytes)
    return expected


def _named_only(run_id: str, at: int) -> RunRow:
    """A parent run that has not arrived yet."""
    return RunRow(run_id, None, "unknown", None, "running", at, at, 0, at, 0)
