"""The thread that carries records from the outbox to Kafka: the first event starts it, and it connects again and again.

Nothing here loads an event loop or a Kafka client: `session` does, and the thread loads that.
"""

from collections.abc import Sequence
from random import uniform
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Final

from agent_runs.emitter import processes
from agent_runs.emitter.complaints import Complaints, log
from agent_runs.emitter.outbox import Outbox
from agent_runs.emitter.records import Record
from agent_runs.emitter.settings import Config
from agent_runs.errors import KafkaUnavailable

if TYPE_CHECKING:
    from agent_runs.emitter.bell import Bell

_SHORTEST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0


class Delivery:
    """One process's way to Kafka.

    Attributes:
        outbox: where records come from.
        backlog: taken from the outbox by a session that has ended, and not settled.
        bell: wakes the session that is under way, if there is one.
    """

    def __init__(self, outbox: Outbox, config: Config) -> None:
        self.outbox = outbox
        self.config = config
        self.backlog: list[Record] = []
        self.bell: Bell | None = None
        self._thread: Thread | None = None
        self._starting = Lock()
        self._stopped = Event()
        self._retired = False
        self._pause_s = _SHORTEST_PAUSE_S
        self._is_away = False
        self._complaints = Complaints()

    # --- for agents' threads ---

    def wake(self) -> None:
        """There is something in the outbox."""
        if self._thread is None and not self._stopped.is_set():
            self._start()
        self._ring()

    def stop(self) -> None:
        """End the thread, whatever is pending."""
        self._stopped.set()
        self._ring()

    def retire(self) -> None:
        """End the thread once nothing is pending: nobody is left to emit."""
        self._retired = True
        self._ring()

    # --- for the end of the process ---

    @property
    def exit_timeout_s(self) -> float:
        """How long the end of the process may wait."""
        return self.config.emitter.exit_timeout_s

    def finish(self, deadline: float) -> None:
        """Send what is pending until that time, and say what is left."""
        if self.outbox.drain(deadline):
            log.warning("The process ends; Kafka has not acknowledged %d of its events", self.outbox.stats().pending)

    # --- for the session ---

    @property
    def is_over(self) -> bool:
        """Whether the thread is to end."""
        return self._stopped.is_set() or (self._retired and self.outbox.is_empty)

    def take(self) -> list[Record]:
        """What is to be sent next, in order."""
        backlog, self.backlog = self.backlog, []
        return backlog or self.outbox.take()

    def acknowledged(self, records: Sequence[Record]) -> None:
        """Kafka has these."""
        self.outbox.settle(records)
        self._pause_s = _SHORTEST_PAUSE_S
        if self._is_away:
            self._is_away = False
            log.info("Kafka takes events again")

    # --- the thread ---

    def _start(self) -> None:
        if not self._starting.acquire(blocking=False):
            return  # another thread does it, or this one, below a finaliser
        try:
            if self._thread is None:
                thread = Thread(target=self._run, name="agent-runs-emitter", daemon=True)
                thread.start()
                self._thread = thread
                processes.current().started(self)
        except RuntimeError as error:  # there are too many, or the interpreter ends
            self._complaints.warn("thread", "Events cannot be sent, only kept: %s", error)
        finally:
            self._starting.release()

    def _run(self) -> None:
        while not self.is_over:
            try:
                self._run_session()
            except KafkaUnavailable as error:
                self._is_away = True
                self._complaints.warn(str(error), "Kafka takes no events (%s); they are kept, and sent later", error)
            except Exception as error:  # noqa: BLE001  # a fault of ours must not end it: nothing would be sent any more
                self._complaints.warn("fault", "The delivery of events failed, and begins anew", trace=error)
            self._pause()
        processes.current().running.discard(self)

    def _run_session(self) -> None:
        with processes.current().importing:
            # Here, not above: an agent's own thread must not wait for a third of a second.
            from agent_runs.emitter.session import run_session  # noqa: PLC0415
        run_session(self)

    def _pause(self) -> None:
        if not self.is_over:
            self._stopped.wait(self._pause_s * uniform(0.5, 1.0))  # noqa: S311  # not all agents at once
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def _ring(self) -> None:
        bell = self.bell
        if bell is not None:
            bell.ring()
