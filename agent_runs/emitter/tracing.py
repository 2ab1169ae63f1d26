"""The trace that an event belongs to, for OpenTelemetry where the agent's process uses it."""

import sys
from typing import Any

from agent_runs.emitter.records import Headers
from agent_runs.signal_safety import reraise_from_signal_handler

_NONE: Headers = ()


def trace_headers() -> Headers:
    """The `traceparent` header (W3C Trace Context) of the current span, if there is one."""
    # Not a dependency: whoever traces has loaded it.
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return _NONE
    try:
        context = trace.get_current_span().get_span_context()
        parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
        return (("traceparent", parent.encode()),) if context.is_valid else _NONE
    except Exception as error:  # noqa: BLE001  # somebody else's code, perhaps half imported
        reraise_from_signal_handler(error)
        return _NONE  # an event is worth more than its trace
