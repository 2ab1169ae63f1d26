"""The pytest plugin of the library. Every test run loads it, so it imports the library only for the fixture."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from agent_runs.testing import RecordingEmitter


@pytest.fixture
def recording_emitter() -> "Iterator[RecordingEmitter]":
    """An emitter that keeps its events in memory. The test fails at its end if an event was dropped."""
    from agent_runs.testing import RecordingEmitter  # noqa: PLC0415  # not loaded by test runs that do not use it

    emitter = RecordingEmitter()
    yield emitter
    dropped = emitter.stats().dropped
    if dropped:
        pytest.fail(f"The agent's events were dropped: {dropped}. The log has the reasons.", pytrace=False)
