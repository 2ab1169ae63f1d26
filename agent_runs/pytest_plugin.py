"""What pytest loads where this library is installed: next to nothing, until a test asks for the fixture."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from agent_runs.testing import RecordingEmitter


@pytest.fixture
def recording_emitter() -> "Iterator[RecordingEmitter]":
    """An emitter that remembers instead of sending. A test in which an event is dropped fails at its end."""
    from agent_runs.testing import RecordingEmitter  # noqa: PLC0415  # not in every run of every test suite

    emitter = RecordingEmitter()
    yield emitter
    dropped = emitter.stats().dropped
    if dropped:
        pytest.fail(f"events of the agent were dropped, the log says why: {dropped}", pytrace=False)
