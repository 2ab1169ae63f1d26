"""Fixtures of the unit tests, and how property tests run: without hypothesis' clock, for busy machines."""

import pytest
from hypothesis import settings

from agent_runs.emitter.run import Run
from agent_runs.testing import RecordingEmitter

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
