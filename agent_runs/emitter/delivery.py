"""The thread that sends the queued records to Kafka. The first event starts it. It reconnects after each failure.

This module loads neither an event loop nor a Kafka client. `session` loads both, and the thread imports `session`.
"""

from threading import Lock, Thread
from time import monotonic
from typing import Final

from agent_runs.emitter.delivery_state import DeliveryState
from agent_runs.emitter.fork_and_exit import current_process
from agent_runs.emitter.pending import describe_pending
from agent_runs.emitter.rate_limited_log import RateLimitedLog
from agent_runs.emitter.records import Record
from agent_runs.emitter.send_queue import SendQueue
from agent_runs.emitter.settings import Config
from agent_runs.errors import KafkaUnavailable

# An exception from a signal handler can interrupt the start of the thread, so that the thread may or may not run. If
# none runs after this time, the next caller starts one.
_RESTART_AFTER_S: Final = 0.2


class Delivery:
    """The `Transport` of a pipeline that sends to Kafka."""

    def __init__(self, queue: SendQueue, config: Config) -> None:
        self._state = DeliveryState(queue, config)
        self._restart_at = 0.0
        self._thread_lock = Lock()  # held by the delivery thread
        self._has_thread = False
        self._log = RateLimitedLog()

    # --- for agents' threads ---

    def wake(self) -> None:
        """Start the thread if none runs, and wake it."""
        if not self._has_thread and not self._state.must_end:
            self._start()
        self._state.wake()

    def stop(self) -> None:
        """End the thread, even if records are not acknowledged."""
        self._state.stop()
        current_process().running.discard(self)  # the end of the process must not wait for this delivery

    def stop_when_empty(self) -> None:
        """End the thread once the queue is empty."""
        self._state.stop_when_empty()
        if not self._state.queue.is_empty:
            self.wake()

    # --- for the end of the process ---

    def unacknowledged(self) -> list[Record]:
        """Return the records that Kafka has not acknowledged. Events may be missing that are emitted meanwhile."""
        return self._state.unacknowledged()

    @property
    def exit_timeout_s(self) -> float:
        """The longest time that the end of the process waits for this delivery."""
        return self._state.config.emitter.exit_timeout_s

    def finish(self, deadline: float) -> None:
        """Wait until Kafka has acknowledged all records, and log how many events are left.

        Args:
            deadline: the end of the wait, as a value of `time.monotonic`.
        """
        queue = self._state.queue
        if queue.is_empty:
            return
        self.wake()  # the thread may not have been started yet
        left = queue.drain(deadline)
        if left:
            text = (
                "The process ends before Kafka acknowledged all events; %d may be lost: %s. "
                "Increase AGENT_RUNS_EXIT_TIMEOUT_S to wait longer"
            )
            self._log.warn("end", text, left, describe_pending(self.unacknowledged()))

    # --- the thread ---

    def _start(self) -> None:
        now = monotonic()
        if now < self._restart_at:
            return  # another thread starts it, or this thread does and a finaliser has interrupted the start
        self._restart_at = now + _RESTART_AFTER_S
        try:
            current_process().add_running(self)
            Thread(target=self._run, name="agent-runs-emitter", daemon=True).start()
        except RuntimeError as error:  # too many threads, or the interpreter shuts down
            text = "Cannot start the emitter's thread (%r); events stay in the queue until a later event starts it"
            self._log.warn("thread", text, error)

    def _run(self) -> None:
        if not self._thread_lock.acquire(blocking=False):
            return  # a second thread was started; two threads would send a run's events out of order
        self._has_thread = True
        try:
            self._state.queue.set_delivery_thread()
            while not self._state.must_end:
                self._run_session()
                self._state.wait_before_retry()
            current_process().running.discard(self)
        finally:
            self._has_thread = False
            self._thread_lock.release()

    def _run_session(self) -> None:
        try:
            with current_process().import_lock:
                # The import takes a third of a second. In this thread, it does not delay the agent.
                from agent_runs.emitter.session import run_session  # noqa: PLC0415
            run_session(self._state)
        except KafkaUnavailable as error:
            self._state.log_failure(str(error))
        except Exception as error:  # noqa: BLE001  # an unexpected error must not end the delivery for ever
            text = "The emitter's delivery failed unexpectedly; it reconnects and sends the unacknowledged events"
            self._log.warn("unexpected", text, error=error)
