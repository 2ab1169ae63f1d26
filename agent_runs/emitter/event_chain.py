"""The events of one `Run` object. The default parent of an event is the last accepted event before it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from agent_runs.emitter.pipeline import DisabledPipeline, Pipeline
from agent_runs.emitter.records import record_key
from agent_runs.events import RunEvent
from agent_runs.ids import new_id
from agent_runs.status import RunStatus, next_status


class EventChain:
    """Emits events for a run, and follows the run's status.

    Attributes:
        last_event_id: the id of the last accepted event, the default parent of the next one.
        status: the run's status after all events of this object, dropped ones included.
        status_accepted: whether the event that led to this status was accepted.
    """

    def __init__(self, pipeline: Pipeline | DisabledPipeline, run_id: str) -> None:
        self.last_event_id: str | None = None
        self.status = RunStatus.RUNNING
        self.status_accepted = True
        self._pipeline = pipeline
        self._key = record_key(run_id)

    def emit(self, event_class: Callable[..., RunEvent], parent: str | None, **fields: Any) -> tuple[str, bool]:
        """Make an event of this class and queue it. Returns its id, and whether it was accepted."""
        parent = self.last_event_id if parent is None else parent
        event = event_class(id=new_id(), parent_event_id=parent, timestamp=datetime.now(UTC), **fields)
        accepted = self._pipeline.put(self._key, event)
        if accepted:
            self.last_event_id = event.id
        tool_name = fields.get("tool_name")
        # `put` has dropped and counted an event whose name is not text. The name may not even be hashable.
        status = next_status(self.status, event.type, tool_name if isinstance(tool_name, str) else None)
        if status is not self.status:
            self.status, self.status_accepted = status, accepted
        return event.id, accepted

    def count_misuse(self, call: str, error: Exception) -> None:
        """Count a dropped event for a call that raised `error` instead of emitting one."""
        self._pipeline.count_misuse(self._key, call, error)
