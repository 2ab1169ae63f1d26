"""The header with the trace context of an event."""

import sys
from types import ModuleType
from unittest.mock import MagicMock

import pytest

from agent_runs import Run
from agent_runs.emitter.stats import Stats
from agent_runs.testing import RecordingEmitter

pytestmark = pytest.mark.usefixtures("own_logs")


def test_without_a_span_there_is_no_header(emitter: RecordingEmitter, run: Run) -> None:
    run.run_completed()

    assert emitter.records[0].headers == ()


def test_the_header_has_the_current_span(emitter: RecordingEmitter, run: Run) -> None:
    from opentelemetry import trace

    context = trace.SpanContext(0xA, 0xB, is_remote=False, trace_flags=trace.TraceFlags(1))
    with trace.use_span(trace.NonRecordingSpan(context)):
        run.input("t")
    run.run_completed()

    traceparent = b"00-0000000000000000000000000000000a-000000000000000b-01"
    assert [record.headers for record in emitter.records] == [(("traceparent", traceparent),), ()]


def test_a_trace_api_that_fails_drops_no_event(
    emitter: RecordingEmitter, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An incomplete module, as while another thread imports it, and replacements that tests of agents may use.
    for tracer in (ModuleType("opentelemetry.trace"), MagicMock(), None):
        monkeypatch.setitem(sys.modules, "opentelemetry.trace", tracer)
        run.run_completed()

    assert emitter.stats() == Stats(emitted=3, sent=3, pending=0, dropped={}, recorded=0)
