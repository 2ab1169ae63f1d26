"""The thread that carries records from the outbox to Kafka: the first event starts it, and it connects again and again.

Nothing here loads an event loop or a Kafka client: `session` does, and the thread loads that.
"""

from threading import Lock, Thread

from agent_runs.emitter import processes
from agent_runs.emitter.complaints import Complaints, log
from agent_runs.emitter.outbox import Outbox
from agent_runs.emitter.settings import Config
from agent_runs.emitter.work import Work
from agent_runs.errors import KafkaUnavailable


class Delivery:
    """One process's way to Kafka."""

    def __init__(self, outbox: Outbox, config: Config) -> None:
        self._work = Work(outbox, config)
        self._thread: Thread | None = None
        self._starting = Lock()
        self._complaints = Complaints()

    # --- for agents' threads ---

    def wake(self) -> None:
        """There is something in the outbox."""
        if self._thread is None and not self._work.is_over:
            self._start()
        self._work.ring()

    def stop(self) -> None:
        """End the thread, whatever is pending."""
        self._work.stop()
        processes.current().running.discard(self)  # there is nothing to finish any more

    def retire(self) -> None:
        """End the thread once nothing is pending: nobody is left to emit."""
        self._work.stop_when_empty()

    # --- for the end of the process ---

    @property
    def exit_timeout_s(self) -> float:
        """How long the end of the process may wait."""
        return self._work.config.emitter.exit_timeout_s

    def finish(self, deadline: float) -> None:
        """Send what is pending until that time, and say what is left."""
        outbox = self._work.outbox
        if outbox.drain(deadline):
            log.warning("The process ends; Kafka has not acknowledged %d of its events", outbox.stats().pending)

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
        except Exception as error:  # noqa: BLE001  # too many threads, the end of the interpreter: what is kept stays kept
            self._complaints.warn("thread", "Events cannot be sent, only kept: %r", error)
        finally:
            self._starting.release()

    def _run(self) -> None:
        while not self._work.is_over:
            try:
                self._run_session()
            except KafkaUnavailable as error:
                self._work.outage.begin(str(error))
            except Exception as error:  # noqa: BLE001  # a fault of ours must not end it: nothing would be sent any more
                self._complaints.warn("fault", "The delivery of events failed, and begins anew", trace=error)
            self._work.pause()
        processes.current().running.discard(self)

    def _run_session(self) -> None:
        with processes.current().importing:
            # Here, not above: an agent's own thread must not wait for a third of a second.
            from agent_runs.emitter.session import run_session  # noqa: PLC0415
        run_session(self._work)
