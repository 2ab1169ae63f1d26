"""The thread that carries records from the outbox to Kafka: the first event starts it, and it connects again and again.

Nothing here loads an event loop or a Kafka client: `session` does, and the thread loads that.
"""

from threading import Lock, Thread
from time import monotonic
from typing import Final

from agent_runs.emitter import lifecycle
from agent_runs.emitter.delivery_state import Work
from agent_runs.emitter.rate_limited_log import Complaints
from agent_runs.emitter.send_queue import Outbox
from agent_runs.emitter.settings import Config
from agent_runs.errors import KafkaUnavailable

# An exception out of a signal handler can end a thread that is being started, or leave in doubt whether it was. Whoever
# finds none running after this time starts another.
_START_AGAIN_AFTER_S: Final = 0.2


class Delivery:
    """One process's way to Kafka."""

    def __init__(self, outbox: Outbox, config: Config) -> None:
        self._work = Work(outbox, config)
        self._start_again_at = 0.0
        self._running = Lock()
        self._is_running = False
        self._complaints = Complaints()

    # --- for agents' threads ---

    def wake(self) -> None:
        """There is something in the outbox."""
        if not self._is_running and not self._work.is_over:
            self._start()
        self._work.ring()

    def stop(self) -> None:
        """End the thread, whatever is pending."""
        self._work.stop()
        lifecycle.current().running.discard(self)  # there is nothing to finish any more

    def retire(self) -> None:
        """End the thread once nothing is pending: nobody is left to emit."""
        self._work.stop_when_empty()
        if not self._work.outbox.is_empty:
            self.wake()

    # --- for the end of the process ---

    @property
    def exit_timeout_s(self) -> float:
        """How long the end of the process may wait."""
        return self._work.config.emitter.exit_timeout_s

    def finish(self, deadline: float) -> None:
        """Send what is pending until that time, and say what is left."""
        outbox = self._work.outbox
        if outbox.is_empty:
            return
        self.wake()  # whatever has kept it from being started before
        left = outbox.drain(deadline)
        if left:
            text = "The process ends; Kafka has not acknowledged %d of its events"
            self._complaints.warn("end", text, left)

    # --- the thread ---

    def _start(self) -> None:
        now = monotonic()
        if now < self._start_again_at:
            return  # another thread does it, or this one, below a finaliser
        self._start_again_at = now + _START_AGAIN_AFTER_S
        try:
            lifecycle.current().started(self)
            Thread(target=self._run, name="agent-runs-emitter", daemon=True).start()
        except RuntimeError as error:  # too many threads, the end of the interpreter: what is kept stays kept
            self._complaints.warn("thread", "Events cannot be sent, only kept: %r", error)

    def _run(self) -> None:
        if not self._running.acquire(blocking=False):
            return  # two were started; two would send a run's events in two orders
        self._is_running = True
        try:
            self._work.outbox.carried_by_this_thread()
            while not self._work.is_over:
                self._run_session()
                self._work.pause()
            lifecycle.current().running.discard(self)
        finally:
            self._is_running = False
            self._running.release()

    def _run_session(self) -> None:
        try:
            with lifecycle.current().importing:
                # Here, not above: an agent's own thread must not wait for a third of a second.
                from agent_runs.emitter.session import run_session  # noqa: PLC0415
            run_session(self._work)
        except KafkaUnavailable as error:
            self._work.outage.begin(str(error))
        except Exception as error:  # noqa: BLE001  # a fault of ours must not end it: nothing would be sent any more
            self._complaints.warn("fault", "The delivery of events failed, and begins anew", trace=error)
