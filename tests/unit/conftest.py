"""Fixtures of the unit tests, and how property tests run: without hypothesis' clock, for busy machines."""

import logging
from collections.abc import Iterator
from threading import get_ident

import pytest
from hypothesis import settings

from agent_runs.emitter.run import Run
from agent_runs.testing import RecordingEmitter
from consumer.lanes import queue as queues
from consumer.lanes.lanes import Lane
from consumer.settings import IngestConfig
from consumer.telemetry.observer import Observer
from tests.support.fakes import FakeWriter

settings.register_profile("unit", deadline=None)
settings.load_profile("unit")


@pytest.fixture
def emitter() -> RecordingEmitter:
    """An emitter that keeps its events in memory."""
    return RecordingEmitter()


@pytest.fixture
def run(emitter: RecordingEmitter) -> Run:
    """A run of the emitter, without events."""
    return emitter.run("run-1")


@pytest.fixture
def own_logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Capture only what the library logs in the test's thread.

    Emitters of earlier tests may still have threads, and the garbage collector lets asyncio log that their tasks were
    destroyed, in whatever thread it runs.
    """

    def is_own(record: logging.LogRecord) -> bool:
        return record.thread == get_ident() and record.name.startswith("agent_runs")

    caplog.handler.addFilter(is_own)
    yield
    caplog.handler.removeFilter(is_own)


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The consecutive failures before each delay; no delay takes time."""
    requested: list[int] = []

    def retry_delay_s(failures: int) -> float:
        requested.append(failures)
        return 0.0

    monkeypatch.setattr(queues, "retry_delay_s", retry_delay_s)
    return requested


@pytest.fixture
def writer() -> FakeWriter:
    """A writer without a database."""
    return FakeWriter()


@pytest.fixture
def lane(writer: FakeWriter) -> Lane:
    """A lane with the writer."""
    return Lane(writer, IngestConfig(), Observer(60.0))
