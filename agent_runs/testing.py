"""An emitter for the tests of agents: it keeps events in memory and needs no Kafka.

If agent-runs is installed, pytest has the fixture `recording_emitter`.
"""

from collections.abc import Iterable
from functools import reduce
from threading import Lock
from typing import cast

from agent_runs.codec.decode import decode_event
from agent_runs.emitter.emitter import Emitter
from agent_runs.emitter.pipeline import Pipeline
from agent_runs.emitter.records import Record
from agent_runs.emitter.redaction import Mask
from agent_runs.emitter.send_queue import SendQueue
from agent_runs.emitter.settings import EmitterSettings
from agent_runs.events import RunEvent, UnknownEvent
from agent_runs.status import RunState, RunStatus, fold


class RecordingEmitter(Emitter):
    """An `Emitter` that keeps records in memory instead of sending them.

    Events are masked, encoded and validated as in production, with the default settings. An event that is invalid or
    too large is dropped and counted in `stats().dropped`.

    Args:
        mask, waiting_tools, finishing_tools: as for `Emitter`.
    """

    def __init__(
        self, *, mask: Mask | None = None, waiting_tools: Iterable[str] = (), finishing_tools: Iterable[str] = ()
    ) -> None:
        super().__init__(mask=mask, waiting_tools=waiting_tools, finishing_tools=finishing_tools, environ={})

    def _open_pipeline(self, mask: Mask | None, *_: object) -> Pipeline:
        return _RecordingPipeline(mask)

    @property
    def records(self) -> list[Record]:
        """The records that would have been sent, in order."""
        return cast("_RecordingPipeline", self._pipeline).records

    @property
    def run_ids(self) -> list[str]:
        """The ids of all runs with events, in the order of their first events."""
        return list(dict.fromkeys(record.key.decode() for record in self.records))

    def events(self, run_id: str | None = None) -> list[RunEvent | UnknownEvent]:
        """Return the decoded events of a run, or of all runs, in order; `events_dropped` markers included."""
        return [
            decode_event(record.value) for record in self.records if run_id is None or record.key == run_id.encode()
        ]

    def types(self, run_id: str | None = None) -> list[str]:
        """Return the types of the events of a run, or of all runs, in order."""
        return [event.type for event in self.events(run_id)]

    def status(self, run_id: str | None = None) -> RunStatus:
        """Return the status that a run would have in the table `agent_runs`; without an id, that of the only run.

        Raises:
            LookupError: the run has no events; or there is no id, and not exactly one run.
        """
        if run_id is None:
            if len(self.run_ids) != 1:
                raise LookupError(f"name one of the runs with events: {self.run_ids}")
            (run_id,) = self.run_ids
        if run_id not in self.run_ids:
            raise LookupError(f"run {run_id!r} has no events; the runs with events are {self.run_ids}")
        return reduce(fold, self.events(run_id), RunState()).status


class _RecordingPipeline(Pipeline):
    def __init__(self, mask: Mask | None) -> None:
        records = self.records = list[Record]()
        super().__init__(EmitterSettings(), mask, lambda queue: _RecordingTransport(queue, records))


class _RecordingTransport:
    """Takes records from the queue at once, in the agent's thread."""

    def __init__(self, queue: SendQueue, records: list[Record]) -> None:
        self._queue = queue
        self._records = records
        self._lock = Lock()

    def wake(self) -> None:
        # A thread that finds the lock taken leaves its records to the holder, which checks again afterwards.
        while self._queue.has_waiting and self._lock.acquire(blocking=False):
            try:
                taken = self._queue.take()
                self._records += taken
                self._queue.acknowledge(taken)
            finally:
                self._lock.release()
            if not taken:
                return

    def stop(self) -> None:
        pass

    def stop_when_empty(self) -> None:
        pass

    def finish(self, deadline: float) -> None:
        pass

    def unacknowledged(self) -> list[Record]:
        return []
