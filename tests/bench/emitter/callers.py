"""Who is called: each takes an event of 1 kB from an agent, in a process of its own."""

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

NOBODY: Final = "127.0.0.1:1"
TOPIC: Final = "bench-emitter"
_PLENTY: Final = 2**31

_TEXT: Final = "It was found that the night train leaves at ten past nine, and that a couchette starts at CHF 69. " * 3
RESULT: Final = {"rows": [{"id": "V1StGXR8aZ5j", "score": 0.25, "text": _TEXT} for _ in range(3)], "more": False}

Call = Callable[[], Any]


def message() -> bytes:
    """The message that the emitter makes of it."""
    recorder = RecordingEmitter()
    recorder.run("V1StGXR8aZ5j").tool_succeeded("search_trains", RESULT)
    (event,) = recorder.events()
    assert isinstance(event, ToolSucceeded)
    return encode_event(event)


@contextmanager
def emitter(bootstrap_servers: str, queue_bytes: int = _PLENTY) -> Iterator[Call]:
    """The whole of it: an event is made, encoded, judged and queued."""
    settings = {"queue_bytes": queue_bytes, "queue_events": _PLENTY, "exit_timeout_s": 0.0}
    made = Emitter(environ={}, bootstrap_servers=bootstrap_servers, topic=TOPIC, **settings)  # type: ignore[arg-type]
    runs = [made.run(f"run-{number}") for number in range(50)]
    turn = cycle(runs)
    yield lambda: next(turn).tool_succeeded("search_trains", RESULT)
    made.close(0)


@contextmanager
def full_emitter(bootstrap_servers: str) -> Iterator[Call]:
    """One whose queue is full: the event is made, encoded, judged, refused and counted."""
    with emitter(bootstrap_servers, queue_bytes=65_536) as call:
        for _ in range(100):
            call()
        yield call


@contextmanager
def confluent(bootstrap_servers: str) -> Iterator[Call]:
    """librdkafka's `produce()` of a message that is ready, with callbacks served now and then."""
    options = {"bootstrap.servers": bootstrap_servers, "acks": "all", "compression.type": "lz4", "linger.ms": 5}
    producer = Producer(
        {**options, "queue.buffering.max.messages": 10_000_000, "queue.buffering.max.kbytes": 2**21 - 1}
    )
    value, turn = message(), cycle([f"run-{number}".encode() for number in range(50)])
    yield lambda: producer.produce(TOPIC, value, next(turn))
    producer.flush(10)


class _Nowhere(SpanExporter):
    def export(self, spans: Any) -> SpanExportResult:
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        pass


@contextmanager
def opentelemetry_on_end(_: str) -> Iterator[Call]:
    """`BatchSpanProcessor.on_end` of a span that has ended: it puts a reference into a queue, and encodes later."""
    processor = BatchSpanProcessor(_Nowhere(), max_queue_size=_PLENTY, schedule_delay_millis=200)
    span = TracerProvider().get_tracer("bench").start_span("tool")
    span.set_attribute("result", message().decode())
    span.end()
    assert isinstance(span, ReadableSpan)
    yield lambda: processor.on_end(span)


@contextmanager
def opentelemetry_span(_: str) -> Iterator[Call]:
    """A whole span: made, given the same text as an attribute, ended into the processor."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(_Nowhere(), max_queue_size=_PLENTY, schedule_delay_millis=200))
    tracer, text = provider.get_tracer("bench"), message().decode()

    def call() -> None:
        span = tracer.start_span("tool")
        span.set_attribute("result", text)
        span.end()

    yield call


CALLERS: Final[dict[str, Callable[[str], AbstractContextManager[Call]]]] = {
    "emitter": emitter,
    "emitter, broker dead": lambda _: emitter(NOBODY),
    "emitter, queue full": lambda _: full_emitter(NOBODY),
    "confluent-kafka, produce()": confluent,
    "OpenTelemetry, on_end()": opentelemetry_on_end,
    "OpenTelemetry, a whole span": opentelemetry_span,
}
