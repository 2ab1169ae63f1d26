"""The expected content of the tables for a log, computed one record at a time: no batches, no database.

`Model.advance` takes the whole log at once, or the next records whenever the stored offsets have moved. It keeps a few
bytes of each event, and each rejected record in full.

Retries by an operator are not in the log. The caller passes the dead letters that were resolved, each with the
event_seq that its event got, or None if the run had the event already.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from tests.checker.classify import MAX_EVENT_BYTES, Content, Event, Reason, Rejected, classify
from tests.checker.fold import Fold, as_json
from tests.checker.log import Place, Record
from tests.checker.tables import RunRow

ANY_SIZE = 2**62  # an operator may have raised the limit before a retry

Resolved: TypeAlias = Mapping[Place, int | None]


@dataclass
class Run:
    """The fold of a run's events. It exists from the first event on.

    Attributes:
        last_offset: of the last event that was numbered in the order of the log.
        contents: the content of each event, by event id.
    """

    id: str
    partition: int
    created_at: int
    updated_at: int
    status_changed_at: int
    state: Fold = field(default_factory=Fold)
    started: bool = False
    parent_run_id: str | None = None
    agent_id: str = "unknown"
    session_id: str | None = None
    labels: str = "{}"
    dropped_events: int = 0
    event_count: int = 0
    last_offset: int = -1
    contents: dict[str, Content] = field(default_factory=dict)

    def fold(self, event: Event) -> None:
        """Add the run's next event."""
        self.event_count += 1
        self.updated_at = event.record.timestamp
        self.dropped_events += event.dropped_count
        if event.type == "run_started" and not self.started:
            self.started = True
            self.parent_run_id = event.text("parent_run_id")
            self.agent_id = event.text("agent_id") or "unknown"
            self.session_id = event.text("session_id")
            self.labels = json.dumps(event.fields.get("labels") or {})
        before = self.status
        self.state.add(event.fields)
        if self.status != before:
            self.status_changed_at = event.record.timestamp

    @property
    def status(self) -> str:
        return "completed" if self.state.status == "by_tool" else self.state.status

    def row(self) -> RunRow:
        return RunRow(
            id=self.id,
            parent_run_id=self.parent_run_id,
            agent_id=self.agent_id,
            session_id=self.session_id,
            status=self.status,
            created_at=self.created_at,
            updated_at=self.updated_at,
            event_count=self.event_count,
            status_changed_at=self.status_changed_at,
            dropped_events=self.dropped_events,
            completed_by_tool=self.state.status == "by_tool",
            open_questions=as_json(self.state.open),
            answered_questions=as_json(self.state.answered),
            labels=self.labels,
        )


class Rejection(NamedTuple):
    """A rejected record. The reason is None if the record is a valid event by the current limits."""

    record: Record
    reason: Reason | None


class RunBefore(NamedTuple):
    """A run's counters before a call of `advance`."""

    event_count: int
    last_offset: int


@dataclass
class Outcome:
    """The result for some records: each is an event, a rejection or a repeat. A resolved rejection is also an event.

    Attributes:
        before: the counters of each run with new events, as they were before.
        parents: the ids of the parent runs that the new events name.
        wrongly_resolved: by place, why a dead letter cannot be resolved although it is.
    """

    events: dict[Place, Event] = field(default_factory=dict)
    rejections: dict[Place, Rejection] = field(default_factory=dict)
    repeats: set[Place] = field(default_factory=set)
    before: dict[str, RunBefore] = field(default_factory=dict)
    parents: set[str] = field(default_factory=set)
    wrongly_resolved: dict[Place, str] = field(default_factory=dict)


class Model:
    """The expected state after the records passed so far.

    Attributes:
        parents: by the id of each named parent run, the earliest timestamp of a counted run_started that names it.
        repeats: the number of repeats, by partition.
        last_records: offset and timestamp of the last record, by partition.
        split_runs: the partitions of each run that has events in more than one.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.runs: dict[str, Run] = {}
        self.parents: dict[str, int] = {}
        self.rejections: dict[Place, Rejection] = {}
        self.repeats: Counter[int] = Counter()
        self.last_records: dict[int, tuple[int, int]] = {}
        self.split_runs: dict[str, set[int]] = {}
        self._resolved: set[Place] = set()
        self._max_event_bytes = max_event_bytes

    def advance(
        self, records: Iterable[Record], resolved: Resolved, skipped: AbstractSet[Place] = frozenset()
    ) -> Outcome:
        """Add the next records of each partition, and the dead letters that were resolved since the last call.

        An operator has skipped the records at the places of `skipped`.
        """
        outcome = Outcome()
        resolved = {place: number for place, number in resolved.items() if place not in self._resolved}
        self._resolved |= resolved.keys()
        records = list(records)
        for record in records:
            if record.place not in skipped:
                self._note_last(record)
            elif record.place not in resolved:
                self._reject(outcome, Rejection(record, Reason.UNREADABLE))
            if record.place in resolved:
                self._reject(outcome, Rejection(record, self._reason(record, self._max_event_bytes)))
        retried = self._retried(outcome, resolved)
        arrived: dict[str, list[Event]] = defaultdict(list)
        for record in records:
            if record.place not in resolved and record.place not in skipped:
                self._add(outcome, record, arrived)
        for run_id in [*arrived, *(run_id for run_id in retried if run_id not in arrived)]:
            self._fold(outcome, run_id, arrived[run_id], retried.get(run_id, {}))
        self._check_resolved(outcome, resolved)
        return outcome

    def row(self, run_id: str) -> RunRow | None:
        """The expected row of a run that has events or is named as a parent; None for any other id."""
        if run_id in self.runs:
            return self.runs[run_id].row()
        at = self.parents.get(run_id)
        return None if at is None else RunRow(run_id, None, "unknown", None, "running", at, at, 0, at, 0)

    def reasons(self, place: Place, *, retried: bool) -> set[Reason | None]:
        """The reasons that an open dead letter may have: a retry may have failed for another reason than the first."""
        record, reason = self.rejections[place]
        if not retried:
            return {reason}
        return {reason, self._reason(record, ANY_SIZE) or Reason.EVENT_ID_CONFLICT}

    def _note_last(self, record: Record) -> None:
        offset, _ = self.last_records.get(record.place.partition, (-1, 0))
        if record.place.offset > offset:
            self.last_records[record.place.partition] = record.place.offset, record.timestamp

    def _reject(self, outcome: Outcome, rejection: Rejection) -> None:
        outcome.rejections[rejection.record.place] = self.rejections[rejection.record.place] = rejection

    def _reason(self, record: Record, max_event_bytes: int) -> Reason | None:
        try:
            classify(record, max_event_bytes)
        except Rejected as rejected:
            return rejected.reason
        return None

    def _retried(self, outcome: Outcome, resolved: Resolved) -> dict[str, dict[int, Event]]:
        """The events of dead letters that got an event_seq of their own, by run. From now on their ids are stored."""
        retried: dict[str, dict[int, Event]] = defaultdict(dict)
        for place, number in resolved.items():
            event = self._event(place)
            if number is None or event is None:
                continue
            contents = self._run(event).contents
            if event.id in contents:
                outcome.repeats.add(place)
                continue
            contents[event.id] = event.content
            retried[event.run_id][number] = event
            outcome.events[place] = event
        return retried

    def _event(self, place: Place) -> Event | None:
        try:
            return classify(self.rejections[place].record, ANY_SIZE) if place in self.rejections else None
        except Rejected:
            return None

    def _add(self, outcome: Outcome, record: Record, arrived: dict[str, list[Event]]) -> None:
        try:
            event = classify(record, self._max_event_bytes)
        except Rejected as rejected:
            self._reject(outcome, Rejection(record, rejected.reason))
            return
        contents = self._run(event).contents
        stored = contents.get(event.id)
        if stored is None:
            contents[event.id] = event.content
            arrived[event.run_id].append(event)
            outcome.events[record.place] = event
        elif stored.is_same(event.content):
            outcome.repeats.add(record.place)
            self.repeats[record.place.partition] += 1
        else:
            self._reject(outcome, Rejection(record, Reason.EVENT_ID_CONFLICT))

    def _run(self, event: Event) -> Run:
        now = event.record.timestamp
        return self.runs.setdefault(event.run_id, Run(event.run_id, event.record.place.partition, now, now, now))

    def _fold(self, outcome: Outcome, run_id: str, arrived: list[Event], retried: Mapping[int, Event]) -> None:
        """Fold a run's new events in the order of the log, and each retried event at its event_seq."""
        run = self.runs[run_id]
        outcome.before[run_id] = RunBefore(run.event_count, run.last_offset)
        started = run.started
        events = list(arrived)
        for number in sorted(retried):
            events.insert(max(0, number - run.event_count), retried[number])
        if run.event_count == 0:
            run.created_at = run.status_changed_at = events[0].record.timestamp
        for event in events:
            run.fold(event)
            if (partition := event.record.place.partition) != run.partition:
                self.split_runs.setdefault(run_id, {run.partition}).add(partition)
            if run.started and not started:
                started = True
                self._add_parent(outcome, run.parent_run_id, event.record.timestamp)
        if arrived:
            run.last_offset = arrived[-1].record.place.offset

    def _add_parent(self, outcome: Outcome, parent: str | None, at: int) -> None:
        if parent is not None:
            self.parents[parent] = min(at, self.parents.get(parent, at))
            outcome.parents.add(parent)

    def _check_resolved(self, outcome: Outcome, resolved: Resolved) -> None:
        for place, number in resolved.items():
            event = self._event(place)
            if event is None:
                outcome.wrongly_resolved[place] = "is not an event"
            elif number is None:
                stored = self.runs[event.run_id].contents.get(event.id) if event.run_id in self.runs else None
                if stored is None or not stored.is_same(event.content):
                    outcome.wrongly_resolved[place] = f"its run {event.run_id!r} has no such event"
