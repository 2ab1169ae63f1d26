"""The pytest plugin of the library: the fixture `recording_emitter`.

pytest loads this module in every test run, so only the fixture imports the emitter.
"""

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
        pytest.fail(
            f"Dropped events by reason: {dropped}. The warnings of logger `agent_runs` have the details.", pytrace=False
        )
