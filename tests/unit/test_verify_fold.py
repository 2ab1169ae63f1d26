"""The fold of `verify` accepts damaged messages: their damage is reported by the comparison with the columns."""

import json

import pytest

from consumer.verify.fold import StoredEvent
from consumer.verify.pages import ReadRun


def stored(kind: str, facts: object = None) -> StoredEvent:
    """An event whose row does not agree with its message."""
    encoded = None if facts is None else json.dumps(facts).encode()
    return StoredEvent("run", 0, "a", None, kind, 1, 0, 0, False, False, None, None, None, encoded)


@pytest.mark.parametrize("count", [None, "1", []])
def test_a_number_of_dropped_events_that_is_none_counts_nothing(count: object) -> None:
    run = ReadRun({}, 1)
    run.add(stored("events_dropped", {"count": count}))
    assert (run.fold.dropped_events, run.unclear) == (0, [0])


@pytest.mark.parametrize("kind", ["tool_requested", "tool_succeeded", "tool_failed", "input"])
def test_an_event_without_its_tool_is_folded(kind: str) -> None:
    run = ReadRun({}, 1)
    run.add(stored(kind))
    assert (run.fold.event_count, run.unclear) == (1, [0])
