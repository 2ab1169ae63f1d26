"""The expected content of the tables for a log, computed one record at a time: no batches, no database.

`Model.advance` takes the whole log at once, or the next records whenever the stored offsets have moved. It keeps a few
bytes of each event, and each rejected record in full.

Retries by an operator are not in the log. The caller passes the dead letters that were resolved, each with the
event_seq that its event got, or None if the run had the event already.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from tests.checker.classify import MAX_EVENT_BYTES, Content, Event, Reason, Rejected, classify
from tests.checker.contract import status_after
from tests.checker.log import Place, Record
from tests.checker.tables import RunRow

ANY_SIZE = 2**62  # an operator may have raised the limit before a retry

Resolved: TypeAlias = Mapping[Place, int | None]


@dataclass
class Run:
    """A run under the fold. It exists from its first event on."""

    id: str
    partition: int
    created_at: int
    updated_at: int
    status_changed_at: int
    status: str = "running"
    started: bool = False
    parent_run_id: str | None = None
    agent_id: str = "unknown"
    session_id: str | None = None
    dropped_events: int = 0
    event_count: int = 0
    last_offset: int = -1  # of the events that came in the order of the log
    contents: dict[str, Content] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Fold one more event."""
        self.event_count += 1
        self.updated_at = event.record.timestamp
        self.dropped_events += event.count
        if event.type == "run_started" and not self.started:
            self.started = True
            self.parent_run_id = event.text("parent_run_id")
            self.agent_id = event.text("agent_id") or "unknown"
            self.session_id = event.text("session_id")
        status = status_after(self.status, event.type, event.fields.get("tool_name"))
        if status != self.status:
            self.status, self.status_changed_at = status, event.record.timestamp

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
        )


class Rejection(NamedTuple):
    """A refused record; the reason is None when only an operator's word says that it ever was."""

    record: Record
    reason: Reason | None


class RunBefore(NamedTuple):
    """A run as it was before a outcome."""

    event_count: int
    last_offset: int


@dataclass
class Outcome:
    """The result for some records: each is an event, a rejection or a repeat. A resolved rejection is also an event."""

    events: dict[Place, Event] = field(default_factory=dict)
    rejections: dict[Place, Rejection] = field(default_factory=dict)
    repeats: set[Place] = field(default_factory=set)
    before: dict[str, RunBefore] = field(default_factory=dict)  # of each run that has new events
    parents: set[str] = field(default_factory=set)  # the parents that the new events name
    wrongly_resolved: dict[Place, str] = field(default_factory=dict)  # what cannot have been resolved, and why

    def places(self) -> set[Place]:
        return {*self.events, *self.rejections, *self.repeats}


class Model:
    """The one right outcome of what it was told so far."""

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.runs: dict[str, Run] = {}
        self.parents: dict[
            str, int
        ] = {}  # parents, and the earliest time at which a run_started that counts names them
        self.rejections: dict[Place, Rejection] = {}
        self.repeats: Counter[int] = Counter()
        self.last: dict[int, tuple[int, int]] = {}  # offset and timestamp of each partition's last record
        self.split: dict[str, set[int]] = {}  # runs of more than one partition, and which
        self._resolved: set[Place] = set()
        self._max_event_bytes = max_event_bytes

    def advance(self, records: Iterable[Record], resolved_letters: Resolved) -> Outcome:
        """Take the next records of each partition, and the rejections that were resolved_letters meanwhile."""
        outcome = Outcome()
        resolved_letters = {place: number for place, number in resolved_letters.items() if place not in self._resolved}
        self._resolved |= resolved_letters.keys()
        records = list(records)
        for record in records:
            self._note_passed(record)
            if record.place in resolved_letters:
                self._reject(outcome, Rejection(record, self._reason(record, self._max_event_bytes)))
        retried = self._retried(outcome, resolved_letters)
        arrived: dict[str, list[Event]] = defaultdict(list)
        for record in records:
            if record.place not in resolved_letters:
                self._judge(outcome, record, arrived)
        for run_id in [*arrived, *(run_id for run_id in retried if run_id not in arrived)]:
            self._fold(outcome, run_id, arrived[run_id], retried.get(run_id, {}))
        self._check_resolved(outcome, resolved_letters)
        return outcome

    def row(self, run_id: str) -> RunRow | None:
        """A run's row: of one that has events, or of a parent that is only parents."""
        if run_id in self.runs:
            return self.runs[run_id].row()
        at = self.parents.get(run_id)
        return None if at is None else RunRow(run_id, None, "unknown", None, "running", at, at, 0, at, 0)

    def reasons(self, place: Place, *, retried: bool) -> set[Reason | None]:
        """For what a rejection may be open: a retry may have found another reason than the first."""
        record, reason = self.rejections[place]
        if not retried:
            return {reason}
        return {reason, self._reason(record, ANY_SIZE) or Reason.EVENT_ID_CONFLICT}

    def _note_passed(self, record: Record) -> None:
        offset, _ = self.last.get(record.place.partition, (-1, 0))
        if record.place.offset > offset:
            self.last[record.place.partition] = record.place.offset, record.timestamp

    def _reject(self, outcome: Outcome, rejection: Rejection) -> None:
        outcome.rejections[rejection.record.place] = self.rejections[rejection.record.place] = rejection

    def _reason(self, record: Record, max_event_bytes: int) -> Reason | None:
        try:
            classify(record, max_event_bytes)
        except Rejected as refused:
            return refused.reason
        return None

    def _retried(self, outcome: Outcome, resolved_letters: Resolved) -> dict[str, dict[int, Event]]:
        """The events of rejections that got a number of their own, by run. They count as said from here on."""
        retried: dict[str, dict[int, Event]] = defaultdict(dict)
        for place, number in resolved_letters.items():
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

    def _judge(self, outcome: Outcome, record: Record, arrived: dict[str, list[Event]]) -> None:
        try:
            event = classify(record, self._max_event_bytes)
        except Rejected as refused:
            self._reject(outcome, Rejection(record, refused.reason))
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
        """Fold the new events of a run: in the order of the log, each retried one where its number says."""
        run = self.runs[run_id]
        outcome.before[run_id] = RunBefore(run.event_count, run.last_offset)
        started = run.started
        events = list(arrived)
        for number in sorted(retried):
            events.insert(max(0, number - run.event_count), retried[number])
        if run.event_count == 0:
            run.created_at = run.status_changed_at = events[0].record.timestamp
        for event in events:
            run.take(event)
            if (partition := event.record.place.partition) != run.partition:
                self.split.setdefault(run_id, {run.partition}).add(partition)
            if run.started and not started:
                started = True
                self._add_parent(outcome, run.parent_run_id, event.record.timestamp)
        if arrived:
            run.last_offset = arrived[-1].record.place.offset

    def _add_parent(self, outcome: Outcome, parent: str | None, at: int) -> None:
        if parent is not None:
            self.parents[parent] = min(at, self.parents.get(parent, at))
            outcome.parents.add(parent)

    def _check_resolved(self, outcome: Outcome, resolved_letters: Resolved) -> None:
        for place, number in resolved_letters.items():
            event = self._event(place)
            if event is None:
                outcome.wrongly_resolved[place] = "is no event"
            elif number is None:
                stored = self.runs[event.run_id].contents.get(event.id) if event.run_id in self.runs else None
                if stored is None or not stored.is_same(event.content):
                    outcome.wrongly_resolved[place] = f"its run {event.run_id!r} has no such event"


def expect(records: Iterable[Record], max_event_bytes: int = MAX_EVENT_BYTES) -> tuple[Model, Outcome]:
    """The outcome of consuming the records once. Partitions may come in any order, each in its own."""
    model = Model(max_event_bytes)
    return model, model.advance(records, {})
