"""The events of one `Run` object: builds them, finds their default parents, and follows the status."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Self

from agent_runs.emitter.disabled_pipeline import DisabledPipeline
from agent_runs.emitter.fork_and_exit import current_process
from agent_runs.emitter.further_fields import collect_further_fields
from agent_runs.emitter.history import History
from agent_runs.emitter.last_events import MAX_RUNS, NO_ENTRIES, InPool, last_events, set_last_events
from agent_runs.emitter.pickling import Shared
from agent_runs.emitter.pipeline import Pipeline
from agent_runs.emitter.recorded_answers import RecordedAnswers
from agent_runs.emitter.records import record_key
from agent_runs.emitter.usable_labels import usable_labels
from agent_runs.events import EVENT_CLASSES, Event, Input, Json, ToolFailed, ToolRequested, ToolSucceeded
from agent_runs.ids import new_id
from agent_runs.questions import Question, named, of_tool
from agent_runs.status import HUMAN_RESPONSE, RunState, RunStatus, fold, may_change_state

_OWN_NAMES: Final = {cls: frozenset({"type", *cls.__struct_fields__}) for cls in EVENT_CLASSES.values()}
_TYPES: Final = {cls: name for name, cls in EVENT_CLASSES.items()}
_TOOL_EVENTS: Final = frozenset({ToolRequested, ToolSucceeded, ToolFailed})
_NO_FIELDS: Final[Mapping[str, Json]] = {}


def _has_text_name(event: Any) -> bool:
    """Whether the fold can compare the event's name with others. A name that is not text may not even be hashable."""
    return isinstance(getattr(event, "tool_name", getattr(event, "tool", "")), str)


class EventChain(Shared):
    """Emits events for a run, and follows the run's status.

    Attributes:
        state: the run's state after all events of this object, dropped ones included.
        status_accepted: whether the event that led to this status was accepted.
        recording: what answers the calls of the run; None: the agent makes them.
    """

    def __init__(self, pipeline: Pipeline | DisabledPipeline, run_id: str) -> None:
        self.state = RunState()
        self.status_accepted = True
        self.recording: RecordedAnswers | None = None
        self._pipeline = pipeline
        self._key = record_key(run_id)
        self._last_event_id: str | None = None  # of all contexts
        self._unanswered: tuple[Question, ...] = ()  # requests of other processes
        self._name = f"{pipeline.number} {run_id if self._key else ''}"  # two objects for one run have the same name

    def emit(
        self,
        event_class: type[Event],
        parent: str | None,
        extra: Mapping[str, Json] | None,
        keywords: Mapping[str, Json],
        measured: Mapping[str, Json] = _NO_FIELDS,
        /,
        **fields: Any,
    ) -> tuple[str, bool]:
        """Make an event and queue it. Returns its id, and whether it was accepted.

        Without a parent it has the default one. `fields` are those of its class; the rest: `collect_further_fields`.
        """
        process = current_process()
        entries = last_events.get(NO_ENTRIES)
        entry = entries.get(self._name)
        if parent is None and (self.state.open_questions or self._unanswered):
            parent = self._answered_question(event_class, fields, entry)
        if parent is None:
            parent = entry if type(entry) is str else self._last_event_id if entry is None else str(entry)
        if self._pipeline.roles and "tool_name" in fields:
            self._add_role(fields)
        event: Any = event_class(id=new_id(process.pid), parent_event_id=parent, timestamp=datetime.now(UTC), **fields)
        further = _NO_FIELDS
        if keywords or measured or extra is not None:
            on_rename = partial(self._pipeline.log_rename, _TYPES[event_class])
            further = collect_further_fields(_OWN_NAMES[event_class], extra, keywords, measured, on_rename)
        accepted = self._pipeline.put(process, self._key, event, further)
        event_id: str = event.id
        if accepted:
            if type(entry) is InPool or (entry is None and event_class is ToolRequested):
                self._add_tool_event(event_id, event_class)
            else:
                kept = entries if entry is not None or len(entries) < MAX_RUNS else NO_ENTRIES
                set_last_events({**kept, self._name: event_id})
                self._last_event_id = event_id
        if event_class not in _TOOL_EVENTS or not accepted or may_change_state(self.state, event.tool_name, event.role):
            self._follow_status(event, accepted=accepted)
        return event_id, accepted

    def set_last_event(self, event_id: str) -> None:
        """Make the event the last one of the run in this context."""
        entries = last_events.get(NO_ENTRIES)
        kept = entries if self._name in entries or len(entries) < MAX_RUNS else NO_ENTRIES
        set_last_events({**kept, self._name: event_id})

    def _follow_status(self, event: Event, *, accepted: bool) -> None:
        if not accepted and not _has_text_name(event):
            return
        state = fold(self.state, event)
        if state is not self.state:
            if state.status is not self.state.status:
                self.status_accepted = accepted
            self.state = state

    @property
    def status(self) -> RunStatus:
        """The run's status after all events of this object, dropped ones included."""
        return self.state.status

    def _add_role(self, fields: dict[str, Any]) -> None:
        name = fields["tool_name"]
        if isinstance(name, str) and name in self._pipeline.roles:
            fields["role"] = self._pipeline.roles[name]

    def usable_labels(self, labels: object) -> dict[str, str] | None:
        """Return the labels that the contract allows; None if there are none. The others are logged."""
        return usable_labels(labels, self._pipeline.log_label_problem)

    def continue_after(self, history: History) -> None:
        """Continue after events that another process emitted."""
        self.state = history.state
        self._unanswered = history.unanswered
        self._last_event_id = history.last_event_id

    def _answered_question(self, event_class: type[Event], fields: Mapping[str, Any], last: str | None) -> str | None:
        """Return the id of the question or request that an event answers; None if it answers none.

        It is the last event of this context, if that is one; else the oldest.
        """
        questions: tuple[Question, ...] = ()
        if event_class is Input and fields["tool"] == HUMAN_RESPONSE:
            questions = self.state.open_questions
        elif event_class in (ToolSucceeded, ToolFailed):
            questions = of_tool((*self.state.open_questions, *self._unanswered), fields["tool_name"])
        if not questions or named(last, questions):
            return last
        self._unanswered = tuple(request for request in self._unanswered if request is not questions[0])
        return questions[0].id

    def default_parent(self) -> str | None:
        """Return the id of the parent that an event without `parent` has; None if the run has no event."""
        return last_events.get(NO_ENTRIES).get(self._name, self._last_event_id)

    def _add_tool_event(self, event_id: str, event_class: type[Event]) -> None:
        """Make the event of a tool call the last one in a context that has no event of the run, or only of the call.

        A thread of a pool inherits no context, and executes one tool call after another. The parent of the first event
        of each call must be the last event of the other contexts, not the answer of the call before it. So the events
        of a call in such a thread are not the last ones of all contexts, and the answer ends the context's entry.
        """
        entries = {**last_events.get(NO_ENTRIES)}
        if self._name not in entries and len(entries) >= MAX_RUNS:
            entries = {}
        if self._last_event_id is None:  # the run begins in this context
            entries[self._name] = self._last_event_id = event_id
        elif event_class in (ToolSucceeded, ToolFailed):
            entries.pop(self._name, None)
        else:
            entries[self._name] = InPool(event_id)
        set_last_events(entries)

    def count_misuse(self, call: str, event_type: str | None, error: Exception) -> None:
        """Count a dropped event for a call that raised `error` instead of emitting one.

        Args:
            call: the call, such as `run.input`.
            event_type: the type of the event; None if it is not known.
            error: what the call raised.
        """
        self._pipeline.count_misuse(self._key, call, event_type, error)

    def _to_pickle(self) -> dict[str, Any]:
        parent = self.default_parent()
        return {**super()._to_pickle(), "_last_event_id": parent and str(parent)}

    @classmethod
    def _from_pickle(cls, state: dict[str, Any]) -> Self:
        chain: Self = super()._from_pickle(state)
        # A name of its own: a forked process has inherited the last event that its parent had at the time of the fork.
        chain._name = f"{chain._pipeline.number} {new_id()}"
        return chain
