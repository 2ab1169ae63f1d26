"""The measured calls. Each passes an event of 1.2 kB, or a span with the same text, to a library."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import cycle
from typing import Any, Final

from confluent_kafka import Producer
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from agent_runs import Emitter, encode_event
from agent_runs.events import ToolSucceeded
from agent_runs.testing import RecordingEmitter

NO_BROKER: Final = "127.0.0.1:1"
TOPIC: Final = "bench-emitter"
_UNLIMITED: Final = 2**31

_TEXT: Final = "It was found that the night train leaves at ten past nine, and that a couchette starts at CHF 69. " * 3
RESULT: Final = {"rows": [{"id": "V1StGXR8aZ5j", "score": 0.25, "text": _TEXT} for _ in range(3)], "more": False}

# Makes one call.
Call = Callable[[], Any]


def message() -> bytes:
    """Return the message that the emitter sends for `RESULT`."""
    recorder = RecordingEmitter()
    recorder.run("V1StGXR8aZ5j").tool_succeeded("search_trains", RESULT)
    (event,) = recorder.events()
    assert isinstance(event, ToolSucceeded)
    return encode_event(event)


@contextmanager
def call_emitter(bootstrap_servers: str, queue_bytes: int = _UNLIMITED) -> Iterator[Call]:
    """Yield a call of the emitter, which creates, encodes, validates and queues an event."""
    settings = {"queue_bytes": queue_bytes, "queue_events": _UNLIMITED, "exit_timeout_s": 0.0}
    emitter = Emitter(environ={}, bootstrap_servers=bootstrap_servers, topic=TOPIC, **settings)  # type: ignore[arg-type]
    runs = [emitter.run(f"run-{number}") for number in range(50)]
    next_run = cycle(runs)
    yield lambda: next(next_run).tool_succeeded("search_trains", RESULT)
    emitter.close(0)


@contextmanager
def call_full_emitter(bootstrap_servers: str) -> Iterator[Call]:
    """Yield a call of an emitter whose queue is full. It creates, encodes, validates, drops and counts an event."""
    with call_emitter(bootstrap_servers, queue_bytes=65_536) as call:
        for _ in range(100):
            call()
        yield call


@contextmanager
def call_confluent(bootstrap_servers: str) -> Iterator[Call]:
    """Yield a call of librdkafka's `produce()` with a prepared message."""
    options = {"bootstrap.servers": bootstrap_servers, "acks": "all", "compression.type": "lz4", "linger.ms": 5}
    producer = Producer(
        {**options, "queue.buffering.max.messages": 10_000_000, "queue.buffering.max.kbytes": 2**21 - 1}
    )
    value, keys = message(), cycle([f"run-{number}".encode() for number in range(50)])
    yield lambda: producer.produce(TOPIC, value, next(keys))
    producer.flush(10)


class _DiscardingExporter(SpanExporter):
    def export(self, spans: Any) -> SpanExportResult:
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        pass


@contextmanager
def call_on_end(_: str) -> Iterator[Call]:
    """Yield a call of `BatchSpanProcessor.on_end` with an ended span. It queues a reference and encodes nothing."""
    processor = BatchSpanProcessor(_DiscardingExporter(), max_queue_size=_UNLIMITED, schedule_delay_millis=200)
    span = TracerProvider().get_tracer("bench").start_span("tool")
    span.set_attribute("result", message().decode())
    span.end()
    assert isinstance(span, ReadableSpan)
    yield lambda: processor.on_end(span)


@contextmanager
def call_span(_: str) -> Iterator[Call]:
    """Yield a call that starts a span, sets the same text as an attribute, and ends the span."""
    provider = TracerProvider()
    provider.add_span_processor(
        BatchSpanProcessor(_DiscardingExporter(), max_queue_size=_UNLIMITED, schedule_delay_millis=200)
    )
    tracer, text = provider.get_tracer("bench"), message().decode()

    def call() -> None:
        span = tracer.start_span("tool")
        span.set_attribute("result", text)
        span.end()

    yield call


TARGETS: Final[dict[str, Callable[[str], AbstractContextManager[Call]]]] = {
    "emitter": call_emitter,
    "emitter, broker dead": lambda _: call_emitter(NO_BROKER),
    "emitter, queue full": lambda _: call_full_emitter(NO_BROKER),
    "confluent-kafka, produce()": call_confluent,
    "OpenTelemetry, on_end()": call_on_end,
    "OpenTelemetry, a whole span": call_span,
}
