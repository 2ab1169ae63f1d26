"""The events of one `Run` object. The default parent of an event is the last accepted event before it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from agent_runs.emitter.disabled_pipeline import DisabledPipeline
from agent_runs.emitter.further_fields import collect_further_fields
from agent_runs.emitter.pipeline import Pipeline
from agent_runs.emitter.records import record_key
from agent_runs.events import EVENT_CLASSES, Event, Json
from agent_runs.ids import new_id
from agent_runs.status import RunStatus, next_status

_OWN_NAMES: Final = {cls: frozenset({"type", *cls.__struct_fields__}) for cls in EVENT_CLASSES.values()}
_TYPES: Final = {cls: name for name, cls in EVENT_CLASSES.items()}
_NO_FIELDS: Final[Mapping[str, Json]] = {}


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
        """Make an event and queue it.

        Args:
            event_class: the class of the event.
            parent: the id of its parent; None for the default parent.
            extra: further fields, as for `collect_further_fields`.
            keywords: further fields that were passed as keywords.
            measured: further fields that the emitter sets.
            fields: the fields of the class.

        Returns:
            The id of the event, and whether it was accepted.
        """
        parent = self.default_parent() if parent is None else parent
        event: Any = event_class(id=new_id(), parent_event_id=parent, timestamp=datetime.now(UTC), **fields)
        event_type = _TYPES[event_class]
        further = _NO_FIELDS
        if keywords or measured or extra is not None:
            on_rename = partial(self._pipeline.log_rename, event_type)
            further = collect_further_fields(_OWN_NAMES[event_class], extra, keywords, measured, on_rename)
        accepted = self._pipeline.put(self._key, event, further)
        if accepted:
            self.last_event_id = event.id
        tool_name = fields.get("tool_name")
        # `put` has dropped and counted an event whose name is not text. The name may not even be hashable.
        status = next_status(self.status, event_type, tool_name if isinstance(tool_name, str) else None)
        if status is not self.status:
            self.status, self.status_accepted = status, accepted
        event_id: str = event.id
        return event_id, accepted

    def default_parent(self) -> str | None:
        """Return the id of the last accepted event; None before it."""
        return self.last_event_id

    def count_misuse(self, call: str, event_type: str | None, error: Exception) -> None:
        """Count a dropped event for a call that raised `error` instead of emitting one.

        Args:
            call: the call, such as `run.input`.
            event_type: the type of the event; None if it is not known.
            error: what the call raised.
        """
        self._pipeline.count_misuse(self._key, call, event_type, error)
