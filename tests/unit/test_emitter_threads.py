"""Emits in threads, signal handlers and finalisers, and while handlers of the log fail."""

import gc
import logging
import signal
from collections.abc import Callable, Iterator
from threading import Thread
from time import monotonic

import pytest

from agent_runs import Input, Run, ToolSucceeded
from agent_runs.emitter.stats import Stats
from agent_runs.testing import RecordingEmitter

pytestmark = pytest.mark.usefixtures("own_logs")


def test_at_most_twenty_warnings_are_logged_a_minute(
    run: Run, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def misuse() -> None:
        caplog.clear()
        for number in range(50):
            run.run_waiting(parent="x" * (300 + number))

    misuse()
    assert len(caplog.records) == 20
    misuse()
    assert caplog.records == []
    monkeypatch.setattr("agent_runs.emitter.rate_limited_log.monotonic", lambda: monotonic() + 61)
    misuse()
    assert len(caplog.records) == 20


def test_a_closed_emitter_stays_closed_after_a_fork(emitter: RecordingEmitter, run: Run) -> None:
    emitter.close()

    emitter._pipeline.reset()  # type: ignore[union-attr]  # as in the child of a fork
    run.run_completed()

    assert emitter.stats().dropped == {"closed": 1}


def test_a_log_handler_that_raises_changes_no_count(emitter: RecordingEmitter, run: Run) -> None:
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise LookupError(record)

    handler = Broken()
    logging.getLogger("agent_runs").addHandler(handler)
    try:
        run.input(tool=5)  # type: ignore[arg-type]
        run.input()  # type: ignore[call-arg]
        run.tool_succeeded("t", "x" * 17_000_000)
    finally:
        logging.getLogger("agent_runs").removeHandler(handler)

    assert emitter.stats() == Stats(emitted=3, sent=0, pending=0, dropped={"invalid": 2, "too_large": 1}, recorded=3)


def test_many_threads_share_an_emitter(emitter: RecordingEmitter) -> None:
    def work(number: int) -> None:
        for step in range(50):
            emitter.run(f"run-{number}").tool_succeeded("t", step)

    threads = [Thread(target=work, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert emitter.stats() == Stats(emitted=3200, sent=3200, pending=0, dropped={}, recorded=0)
    for number in range(64):
        results = [event.result for event in emitter.events(f"run-{number}") if isinstance(event, ToolSucceeded)]
        assert results == list(range(50))


@pytest.fixture
def call_repeatedly() -> Iterator[Callable[[Callable[[], object]], None]]:
    """Call a function in a signal handler of the main thread every half millisecond."""
    before = signal.getsignal(signal.SIGALRM)

    def start(function: Callable[[], object]) -> None:
        signal.signal(signal.SIGALRM, lambda *_: function())
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)

    yield start
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_a_signal_handler_may_emit_inside_an_emit(
    emitter: RecordingEmitter, call_repeatedly: Callable[[Callable[[], object]], None]
) -> None:
    handler, main = emitter.run("handler"), emitter.run("main")
    interruptions: list[str] = []
    call_repeatedly(lambda: interruptions.append(handler.run_waiting()))
    deadline, emitted = monotonic() + 60, 0
    while len(interruptions) <= 100 and monotonic() < deadline:
        emitted += bool(main.input("t", emitted))
    signal.setitimer(signal.ITIMER_REAL, 0)
    main.run_completed()

    interrupted = len(emitter.events("handler"))
    assert interrupted > 100
    assert emitter.stats().emitted == emitted + 1 + interrupted
    assert emitter.stats() == Stats(
        emitted=emitted + 1 + interrupted, sent=emitted + 1 + interrupted, pending=0, dropped={}, recorded=0
    )
    assert [event.data for event in emitter.events("main") if isinstance(event, Input)] == list(range(emitted))


def test_finalisers_that_emit_and_threads_do_not_block_each_other(emitter: RecordingEmitter) -> None:
    class Cycle:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            emitter.run("finalised").run_waiting()

    def work(number: int) -> None:
        run = emitter.run(f"run-{number}")
        for step in range(1_500):
            Cycle()
            run.input("t", [[step]])

    thresholds = gc.get_threshold()
    gc.set_threshold(5)
    threads = [Thread(target=work, args=(number,), daemon=True) for number in range(4)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        gc.set_threshold(*thresholds)
    assert not any(thread.is_alive() for thread in threads)
    gc.collect()
    emitter.run("last").run_completed()
    # The number of deferred events is bounded: if more finalisers run inside one update, some events are dropped.
    stats = emitter.stats()
    assert (stats.emitted, stats.sent + stats.dropped.get("queue_full", 0)) == (12_001, 12_001)
    assert stats.recorded == 12_001 - stats.sent


def test_a_finaliser_may_emit_inside_an_emit(emitter: RecordingEmitter, run: Run) -> None:
    class Cycle:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            run.run_waiting("finalised")

    thresholds = gc.get_threshold()
    gc.set_threshold(5)
    try:
        for number in range(2000):
            Cycle()
            run.input("t", [[number]])
    finally:
        gc.set_threshold(*thresholds)
    gc.collect()
    run.run_completed()

    assert emitter.types().count("run_waiting") == 2000
    assert emitter.stats().sent == 4001
