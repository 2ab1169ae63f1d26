"""What the tables should say about a log, worked out one record at a time: no batches, no optimism, no database.

The model can be asked for a whole log at once, or take it step by step, as the stored offsets move. What it remembers
of a record that it has taken is a few bytes, apart from those that were refused.

What an operator did is not in the log. A letter that was retried with success is told to the model as *settled*, with
the number that its event got; where the run had the event already, there is no number.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from tests.checker.classify import MAX_EVENT_BYTES, Content, Event, Reason, Refused, judge
from tests.checker.log import Place, Record
from tests.checker.status import status_after
from tests.checker.tables import RunRow

ANY_SIZE = 2**62  # an operator may have raised the limit before a retry

Settled: TypeAlias = Mapping[Place, int | None]


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


class Letter(NamedTuple):
    """A refused record; the reason is None when only an operator's word says that it ever was."""

    record: Record
    reason: Reason | None


class Before(NamedTuple):
    """A run as it was before a step."""

    event_count: int
    last_offset: int


@dataclass
class Step:
    """What became of some records: each is an event, a letter or a repeat. A settled letter is an event as well."""

    events: dict[Place, Event] = field(default_factory=dict)
    letters: dict[Place, Letter] = field(default_factory=dict)
    repeats: set[Place] = field(default_factory=set)
    before: dict[str, Before] = field(default_factory=dict)  # of each run that has new events
    named: set[str] = field(default_factory=set)  # the parents that the new events name
    unsettled: dict[Place, str] = field(default_factory=dict)  # what cannot have been resolved, and why

    def places(self) -> set[Place]:
        return {*self.events, *self.letters, *self.repeats}


class Model:
    """The one right outcome of what it was told so far."""

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.runs: dict[str, Run] = {}
        self.named: dict[str, int] = {}  # parents, and the earliest time at which a run_started that counts names them
        self.letters: dict[Place, Letter] = {}
        self.repeats: Counter[int] = Counter()
        self.last: dict[int, tuple[int, int]] = {}  # offset and timestamp of each partition's last record
        self.split: dict[str, set[int]] = {}  # runs of more than one partition, and which
        self._settled: set[Place] = set()
        self._max_event_bytes = max_event_bytes

    def advance(self, records: Iterable[Record], settled: Settled) -> Step:
        """Take the next records of each partition, and the letters that were settled meanwhile."""
        step = Step()
        settled = {place: number for place, number in settled.items() if place not in self._settled}
        self._settled |= settled.keys()
        records = list(records)
        for record in records:
            self._pass(record)
            if record.place in settled:
                self._refuse(step, Letter(record, self._reason(record, self._max_event_bytes)))
        retried = self._retried(step, settled)
        arrived: dict[str, list[Event]] = defaultdict(list)
        for record in records:
            if record.place not in settled:
                self._judge(step, record, arrived)
        for run_id in [*arrived, *(run_id for run_id in retried if run_id not in arrived)]:
            self._fold(step, run_id, arrived[run_id], retried.get(run_id, {}))
        self._check_resolved(step, settled)
        return step

    def row(self, run_id: str) -> RunRow | None:
        """A run's row: of one that has events, or of a parent that is only named."""
        if run_id in self.runs:
            return self.runs[run_id].row()
        at = self.named.get(run_id)
        return None if at is None else RunRow(run_id, None, "unknown", None, "running", at, at, 0, at, 0)

    def reasons(self, place: Place, *, retried: bool) -> set[Reason | None]:
        """For what a letter may be open: a retry may have found another reason than the first."""
        record, reason = self.letters[place]
        if not retried:
            return {reason}
        return {reason, self._reason(record, ANY_SIZE) or Reason.EVENT_ID_CONFLICT}

    def _pass(self, record: Record) -> None:
        offset, _ = self.last.get(record.place.partition, (-1, 0))
        if record.place.offset > offset:
            self.last[record.place.partition] = record.place.offset, record.timestamp

    def _refuse(self, step: Step, letter: Letter) -> None:
        step.letters[letter.record.place] = self.letters[letter.record.place] = letter

    def _reason(self, record: Record, max_event_bytes: int) -> Reason | None:
        try:
            judge(record, max_event_bytes)
        except Refused as refused:
            return refused.reason
        return None

    def _retried(self, step: Step, settled: Settled) -> dict[str, dict[int, Event]]:
        """The events of letters that got a number of their own, by run. They count as said from here on."""
        retried: dict[str, dict[int, Event]] = defaultdict(dict)
        for place, number in settled.items():
            event = self._event(place)
            if number is None or event is None:
                continue
            contents = self._run(event).contents
            if event.id in contents:
                step.repeats.add(place)
                continue
            contents[event.id] = event.content
            retried[event.run_id][number] = event
            step.events[place] = event
        return retried

    def _event(self, place: Place) -> Event | None:
        try:
            return judge(self.letters[place].record, ANY_SIZE) if place in self.letters else None
        except Refused:
            return None

    def _judge(self, step: Step, record: Record, arrived: dict[str, list[Event]]) -> None:
        try:
            event = judge(record, self._max_event_bytes)
        except Refused as refused:
            self._refuse(step, Letter(record, refused.reason))
            return
        contents = self._run(event).contents
        stored = contents.get(event.id)
        if stored is None:
            contents[event.id] = event.content
            arrived[event.run_id].append(event)
            step.events[record.place] = event
        elif stored.is_same(event.content):
            step.repeats.add(record.place)
            self.repeats[record.place.partition] += 1
        else:
            self._refuse(step, Letter(record, Reason.EVENT_ID_CONFLICT))

    def _run(self, event: Event) -> Run:
        now = event.record.timestamp
        return self.runs.setdefault(event.run_id, Run(event.run_id, event.record.place.partition, now, now, now))

    def _fold(self, step: Step, run_id: str, arrived: list[Event], retried: Mapping[int, Event]) -> None:
        """Fold the new events of a run: in the order of the log, each retried one where its number says."""
        run = self.runs[run_id]
        step.before[run_id] = Before(run.event_count, run.last_offset)
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
                self._name(step, run.parent_run_id, event.record.timestamp)
        if arrived:
            run.last_offset = arrived[-1].record.place.offset

    def _name(self, step: Step, parent: str | None, at: int) -> None:
        if parent is not None:
            self.named[parent] = min(at, self.named.get(parent, at))
            step.named.add(parent)

    def _check_resolved(self, step: Step, settled: Settled) -> None:
        for place, number in settled.items():
            event = self._event(place)
            if event is None:
                step.unsettled[place] = "is no event"
            elif number is None:
                stored = self.runs[event.run_id].contents.get(event.id) if event.run_id in self.runs else None
                if stored is None or not stored.is_same(event.content):
                    step.unsettled[place] = f"its run {event.run_id!r} has no such event"


def expect(records: Iterable[Record], max_event_bytes: int = MAX_EVENT_BYTES) -> tuple[Model, Step]:
    """The outcome of consuming the records once. Partitions may come in any order, each in its own."""
    model = Model(max_event_bytes)
    return model, model.advance(records, {})
