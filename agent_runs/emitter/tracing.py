"""The W3C trace context of an event, if the agent's process uses OpenTelemetry."""

import sys
from typing import Any

from agent_runs.emitter.records import Headers
from agent_runs.signal_safety import reraise_from_signal_handler

_NO_HEADERS: Headers = ()


def trace_headers() -> Headers:
    """Return the `traceparent` header of the current span; no header if there is no span."""
    # Not imported, because OpenTelemetry is not a dependency. An agent that has a span has imported it.
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return _NO_HEADERS
    try:
        context = trace.get_current_span().get_span_context()
        parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
        return (("traceparent", parent.encode()),) if context.is_valid else _NO_HEADERS
    except Exception as error:  # noqa: BLE001  # foreign code, and another thread may be importing the module just now
        reraise_from_signal_handler(error)
        return _NO_HEADERS  # the event is sent without its trace
