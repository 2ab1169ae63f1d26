"""Finds where the events of a run begin among those of several runs, and where events are missing."""

from typing import Any

from agent_runs.events import RunStarted

_MIXED = "the events of several runs are mixed"


class RunBoundaries:
    """The runs of a sequence of events, which follow each other.

    Attributes:
        missing_events: how many numbers are missing between those of the stored events so far.
    """

    def __init__(self) -> None:
        self.missing_events = 0
        self._first_items: list[Any] = []  # of stored runs
        self._next_seq = 0  # of stored events
        self._run_ids: list[str] = []  # of the events of a topic

    def begins_run(self, item: Any, event: Any, *, is_repeat: bool) -> bool:
        """Return whether an event is the first one of a run.

        Args:
            item: the event, or the `StoredEvent` or `TopicEvent` that has it.
            event: the event.
            is_repeat: whether the run has an event with this id already, as a topic may have it.

        Raises:
            ValueError: the events of several runs are mixed; or stored events are repeated, or not in order.
        """
        if (run_id := getattr(item, "run_id", None)) is not None:
            return self._begins_in_topic(run_id)
        if (seq := getattr(item, "seq", None)) is not None:
            return self._begins_in_store(seq, item)
        return not is_repeat and isinstance(event, RunStarted) and event.parent_event_id is None

    def _begins_in_topic(self, run_id: str) -> bool:
        if self._run_ids[-1:] == [run_id]:
            return False
        if run_id in self._run_ids:
            raise ValueError(f"{_MIXED}: read the topic with `read_topic(run_id={run_id!r})`")
        self._run_ids.append(run_id)
        return True

    def _begins_in_store(self, seq: int, item: Any) -> bool:
        if seq == 0:
            if item in self._first_items:
                raise ValueError("the events of a run are given twice: pass them once")
            self._first_items.append(item)
            self._next_seq = 0
        if seq < self._next_seq:
            text = f"event {seq} follows event {self._next_seq - 1}"
            raise ValueError(f"{_MIXED}, repeated or not in order: {text}; pass `reader.get_run_events(run_id)`")
        self.missing_events += seq - self._next_seq
        self._next_seq = seq + 1
        return seq == 0
