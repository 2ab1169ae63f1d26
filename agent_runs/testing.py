"""For the tests of agents: an emitter that needs no Kafka, and remembers what was said.

pytest finds the fixture `recording_emitter` by itself.
"""

from threading import Lock

from agent_runs.codec.decode import decode_event
from agent_runs.emitter.emitter import Emitter
from agent_runs.emitter.pipeline import Channel
from agent_runs.emitter.records import Record
from agent_runs.emitter.redaction import Mask
from agent_runs.emitter.send_queue import Outbox
from agent_runs.emitter.settings import EmitterSettings
from agent_runs.events import RunEvent, UnknownEvent
from agent_runs.status import RunStatus, next_status


class RecordingEmitter(Emitter):
    """The same emitter, up to Kafka: events are masked, encoded and judged as ever, and then remembered.

    What breaks the contract is dropped and counted as it would be in production: look at `stats().dropped`.

    Attributes:
        records: what would have been sent, in order.
    """

    def __init__(self, *, mask: Mask | None = None) -> None:
        self.records: list[Record] = []
        self._channel = Channel(EmitterSettings(), mask, lambda outbox: _Recorder(outbox, self.records))

    @property
    def run_ids(self) -> list[str]:
        """Every run that something was said of, in the order of their first events."""
        return list(dict.fromkeys(record.key.decode() for record in self.records))

    def events(self, run_id: str | None = None) -> list[RunEvent | UnknownEvent]:
        """The events of a run, or all, as a reader would decode them; `events_dropped` among them."""
        return [decode_event(one.value) for one in self.records if run_id is None or one.key == run_id.encode()]

    def types(self, run_id: str | None = None) -> list[str]:
        """The types of these events."""
        return [event.type for event in self.events(run_id)]

    def status(self, run_id: str) -> RunStatus:
        """The status that the run would have in `agent_runs`.

        Raises:
            LookupError: nothing was said of such a run.
        """
        if run_id not in self.run_ids:
            raise LookupError(f"nothing was said of a run {run_id!r}, only of {self.run_ids}")
        status = RunStatus.RUNNING
        for event in self.events(run_id):
            status = next_status(status, event.type, getattr(event, "tool_name", None))
        return status


class _Recorder:
    """Takes what there is, at once."""

    def __init__(self, outbox: Outbox, records: list[Record]) -> None:
        self._outbox = outbox
        self._records = records
        self._lock = Lock()

    def wake(self) -> None:
        # Whoever finds another at it leaves it to him, who looks again when he is done.
        while self._outbox.has_waiting and self._lock.acquire(blocking=False):
            try:
                taken = self._outbox.take()
                self._records += taken
                self._outbox.settle(taken)
            finally:
                self._lock.release()
            if not taken:
                return

    def stop(self) -> None:
        pass

    def retire(self) -> None:
        pass

    def finish(self, deadline: float) -> None:
        pass
