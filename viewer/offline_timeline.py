"""The timeline of a run in an exported page: its steps, from its events, drawn as the viewer draws them."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple
from xml.etree.ElementTree import Element

from agent_runs.reader import RunSummary, Step, StoredEvent, Timeline, TreeNode
from agent_runs.reader.event_text import count_text
from viewer.axis import parts_of
from viewer.bars import Span
from viewer.html import el
from viewer.timeline_drawing import axis, lanes, legend, steps_table

MAX_STEPS: Final = 1000
_ANSWERS: Final = ("tool_succeeded", "tool_failed")
_TYPES: Final = ("llm_called", "llm_failed", "tool_requested", *_ANSWERS)


class _Event(NamedTuple):
    """What a step needs of an event."""

    seq: int
    id: str
    parent_id: str | None
    type: str
    at: datetime
    name: str | None


class StepFinder:
    """Finds the steps of a run in its events, as the query `longest_steps` does: a run file has no queries.

    Args:
        run_id: the run.
    """

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._places: dict[str, tuple[int, datetime]] = {}  # by the id of each event: its number and its time
        self._events: list[_Event] = []  # those that are or end a step
        self._answered: set[str | None] = set()

    def add(self, stored: StoredEvent) -> None:
        """Add an event of the run."""
        event = stored.event
        self._places[event.id] = stored.seq, stored.created_at
        if stored.type in _TYPES:
            name = getattr(event, "tool_name", None) or getattr(event, "model", None)
            self._events.append(
                _Event(stored.seq, event.id, event.parent_event_id, stored.type, stored.created_at, name)
            )
        if stored.type in _ANSWERS:
            self._answered.add(event.parent_event_id)

    def timeline(self) -> Timeline:
        """Return the longest steps of the events that were added, those without an end first."""
        steps = [
            self._step(event)
            for event in self._events
            if event.type != "tool_requested" or event.id not in self._answered
        ]
        steps.sort(key=lambda step: (step.ended_at is not None, -_length(step), step.seq))
        return Timeline(steps=steps[:MAX_STEPS], total=len(steps))

    def _step(self, event: _Event) -> Step:
        is_open = event.type == "tool_requested"
        began_seq, began_at = self._places.get(event.parent_id or "", (None, event.at))
        return Step(
            run_id=self._run_id,
            began_seq=event.seq if is_open else began_seq,
            seq=event.seq,
            type=event.type,
            began_at=event.at if is_open else min(began_at, event.at),
            ended_at=None if is_open else event.at,
            name=event.name,
        )


def timeline_content(run: RunSummary, timeline: Timeline) -> Element:
    """Return the drawing and the table of a run's steps, without links to other pages."""
    if not timeline.steps:
        return el("p", "No model and no tool was called.", class_="dim")
    span = Span(run.created_at, max(run.updated_at, run.created_at + timedelta(milliseconds=1)))
    parts = parts_of(span, span)
    more = None
    if timeline.total > len(timeline.steps):
        more = el(
            "p",
            f"Of {count_text(timeline.total, 'step')}, the {len(timeline.steps):,} longest are shown.",
            class_="dim",
        )
    node = TreeNode(depth=0, run=run)
    return el(
        "div",
        el("p", legend(), class_="zoom"),
        more,
        el("section", axis(parts, None), lanes(node, timeline, span, span, parts), class_="timeline"),
        steps_table(timeline, [run], span),
    )


def _length(step: Step) -> timedelta:
    return timedelta() if step.ended_at is None else step.ended_at - step.began_at
