"""Makes units of the events of a recorded run, or of several runs."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from agent_runs.event_items import with_events
from agent_runs.events import (
    EventsDropped,
    Input,
    LlmCalled,
    LlmFailed,
    ToolFailed,
    ToolRequested,
    ToolSucceeded,
)
from agent_runs.replay.run_boundaries import RunBoundaries
from agent_runs.replay.units import Answer, Unit, Units, llm_key

KeyOf = Callable[[str, Any], str]


def read_units(events: Iterable[Any], tool_key: KeyOf, run_ids: Sequence[str] = ()) -> Units:
    """Return the calls and the inputs of a run.

    Args:
        events: all events of a run in order, or of several runs, one after the other: typed events, or objects with the
            attribute `event`, such as `StoredEvent`.
        tool_key: returns the key of a call from the name of the tool and its arguments.
        run_ids: the ids of several runs, in their order.

    Raises:
        TypeError: something else than an event.
        ValueError: the events of several runs are mixed; or stored events are repeated or not in order.
    """
    reader, boundaries = _UnitReader(tool_key), RunBoundaries()
    for number, (item, event) in enumerate(with_events(events)):
        is_repeat = reader.has(event.id)
        missing = boundaries.missing_events
        if boundaries.begins_run(item, event, is_repeat=is_repeat):
            reader.begin_run()
        elif is_repeat:
            continue
        reader.units.missing_events += boundaries.missing_events - missing
        reader.add(getattr(item, "seq", number), event)
    return reader.named_units(run_ids)


class _UnitReader:
    def __init__(self, tool_key: KeyOf) -> None:
        self.units = Units([], [], {})
        self._tool_key = tool_key
        self._first = 0  # the number of the first unit of the run
        self._unit_of_event: dict[str, int | None] = {}
        self._unanswered: dict[str, deque[Unit]] = defaultdict(deque)
        self._inside: dict[str, int | None] = {}  # by event: the tool call that was not answered yet
        self._last_inside: int | None = None
        self._earlier_ids: set[str] = set()  # of events of other runs

    def has(self, event_id: str) -> bool:
        """Whether the run has an event with this id already."""
        return event_id in self._unit_of_event

    def begin_run(self) -> None:
        """Begin the next run. Ids of events are unique within a run only."""
        self._earlier_ids.update(self._unit_of_event)
        self._first = len(self.units.calls)
        self._unit_of_event, self._inside, self._last_inside = {}, {}, None
        self._unanswered.clear()
        self.units.inputs_of_runs.append([])

    def named_units(self, run_ids: Sequence[str]) -> Units:
        """Return the units, with the names of their runs if there are several."""
        runs = len(self.units.inputs_of_runs)
        if runs > 1:
            for unit in self.units.calls:
                known = repr(run_ids[unit.run]) if len(run_ids) == runs else f"{unit.run + 1} of {runs}"
                unit.run_name = f"run {known}"
        return self.units

    def add(self, seq: int, event: Any) -> None:
        """Add the next event of the run."""
        if event.parent_event_id in self._earlier_ids and event.parent_event_id not in self._unit_of_event:
            raise ValueError("the events of several runs are mixed: pass those of one run, `emitter.events(run_id)`")
        if not self.units.inputs_of_runs:
            self.begin_run()
        parent = self._parent(event.parent_event_id)
        inside = self._inside.get(event.parent_event_id or "", self._last_inside)
        made = len(self.units.calls)
        match event:
            case LlmCalled() | LlmFailed():
                parent = self._add_unit(self._llm_unit(seq, event, parent))
            case ToolRequested():
                unit = self._tool_unit(seq, event, parent)
                self._unanswered[event.tool_name].append(unit)
                parent = self._add_unit(unit)
            case ToolSucceeded() | ToolFailed():
                parent = self._answer(event, parent)
            case Input():
                self.units.inputs.append(event)
                self.units.inputs_of_runs[-1].append(event)
            case EventsDropped():
                self.units.missing_events += event.count
            case _ if hasattr(event, "error") and not hasattr(event, "timestamp"):  # an OpaqueEvent
                self.units.missing_events += 1
        self._follow_inside(event, parent, inside, has_unit=len(self.units.calls) > made)
        self._unit_of_event[event.id] = parent
        self.units.seq_by_id[event.id] = seq

    def _follow_inside(self, event: Any, number: int | None, inside: int | None, *, has_unit: bool) -> None:
        """Note during which tool call an event was emitted, so that the event after it can be."""
        unit = self.units.calls[number] if number is not None else None
        if has_unit and unit is not None:
            unit.inside = inside
            inside = unit.number if unit.kind == "tool" else inside
        elif unit is not None and isinstance(event, ToolSucceeded | ToolFailed):
            inside = unit.inside
            for nested in self.units.calls[unit.number + 1 :]:
                if nested.inside == unit.number and nested.answer is None:  # another call at the same time
                    nested.inside = unit.inside
        self._inside[event.id] = self._last_inside = inside

    def _parent(self, event_id: str | None) -> int | None:
        """Return the unit of an event. Without a parent, the run counts as a sequence of calls."""
        last = len(self.units.calls) - 1 if len(self.units.calls) > self._first else None
        return last if event_id is None else self._unit_of_event.get(event_id, last)

    def _llm_unit(self, seq: int, event: LlmCalled | LlmFailed, parent: int | None) -> Unit:
        content = {"system_prompt": event.system_prompt, "user_prompt": event.user_prompt}
        number, key = len(self.units.calls), llm_key(content)
        unit = Unit(number, seq, event.id, "llm", event.model, content, key, parent)
        unit.answer = Answer(event.raw_response) if isinstance(event, LlmCalled) else _failure(event)
        unit.lane = _further_text(event, "lane")
        return unit

    def _tool_unit(self, seq: int, event: ToolRequested, parent: int | None) -> Unit:
        number, key = len(self.units.calls), self._tool_key(event.tool_name, event.tool_args)
        return Unit(number, seq, event.id, "tool", event.tool_name, event.tool_args, key, parent)

    def _add_unit(self, unit: Unit) -> int:
        unit.run = len(self.units.inputs_of_runs) - 1
        self.units.calls.append(unit)
        return unit.number

    def _answer(self, event: ToolSucceeded | ToolFailed, parent: int | None) -> int | None:
        """Give an answer to the request that is its parent, else to the oldest request of the tool that has none."""
        unit = self._request_of(event)
        if unit is None:
            return parent
        if unit.answer is not None:  # a repeated answer
            return unit.number
        unit.answer = Answer(event.result) if isinstance(event, ToolSucceeded) else _failure(event)
        return unit.number

    def _request_of(self, answer: ToolSucceeded | ToolFailed) -> Unit | None:
        """Return the request that an answer belongs to; None if there is none, or if it may be a missing one."""
        named = answer.parent_event_id
        by_parent = self._unit_of_event.get(named or "")
        unit = self.units.calls[by_parent] if by_parent is not None else None
        if unit is not None and unit.event_id == named and unit.name == answer.tool_name:
            return unit
        if named is not None and named not in self._unit_of_event and self.units.missing_events:
            return None
        waiting = self._unanswered[answer.tool_name]
        while waiting and waiting[0].answer is not None:
            waiting.popleft()
        return waiting.popleft() if waiting else None


def _failure(event: LlmFailed | ToolFailed) -> Answer:
    return Answer(error=event.error, error_type=_further_text(event, "error_type"))


def _further_text(event: Any, name: str) -> str | None:
    """Return a further field of an event if it is a text."""
    if event.original is None or f'"{name}"'.encode() not in event.original:  # decoding takes time
        return None
    value = event.further_fields.get(name)
    return value if isinstance(value, str) else None
