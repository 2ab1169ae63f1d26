"""An `events_dropped` event says which types of events are missing, and why in words."""

from typing import Any

from agent_runs import EventsDropped, Run, decode_event
from agent_runs.emitter.drops import DropReason
from agent_runs.emitter.records import Record
from agent_runs.emitter.send_queue import SendQueue
from agent_runs.testing import RecordingEmitter
from tests.support.builders import message


class Untyped:
    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise ValueError("x" * 500)


def compact(value: bytes) -> bytes:
    """Return the message without spaces after colons, as the emitter encodes it."""
    return value.replace(b'": ', b'":')


def marker_of(record: Record) -> EventsDropped:
    marker = decode_event(record.value)
    assert isinstance(marker, EventsDropped)
    return marker


def test_a_marker_has_the_type_and_the_reason_in_words(emitter: RecordingEmitter, run: Run) -> None:
    misused: Any = run
    misused.input(tool=5)
    misused.run_completed(1, 2, 3)
    run.tool_succeeded("t", "x" * 17_000_000)
    emitter.emit("run-1", "no event")  # type: ignore[arg-type]

    found = [(marker.reason, marker.types, marker.detail or "") for marker in map(marker_of, emitter.records)]
    assert found[0] == ("invalid", {"input": 1}, "input: `tool` must be a string, got number")
    assert found[1][:2] == ("invalid", {"run_completed": 1})
    assert found[1][2].startswith("run.run_completed: TypeError: ")
    assert found[2][:2] == ("too_large", {"tool_succeeded": 1})
    assert found[2][2].startswith("tool_succeeded: 17000")
    assert len(found) == 3  # what is no event has no run


def test_a_marker_of_a_full_queue_counts_the_events_of_each_type() -> None:
    queue = SendQueue(10**9, 16)
    full = [Record(b"run", message("input")) for _ in range(15)]
    dropped = [*["llm_called"] * 3, *["tool_failed"] * 2, 'a"\\b', "llm_called"]
    for record in (*full, *(Record(b"run", compact(message(event_type))) for event_type in dropped)):
        queue.offer(record)

    queue.acknowledge(queue.take())

    marker = marker_of(queue.take()[0])
    assert (marker.count, marker.types) == (7, {"llm_called": 4, "tool_failed": 2, 'a"\\b': 1})
    assert marker.detail == "the queue is full until Kafka acknowledges events"


def test_a_marker_has_a_bounded_number_of_types_and_a_bounded_detail(emitter: RecordingEmitter) -> None:
    queue = SendQueue(10**9, 16)
    queue.offer(Record(b"run", message("input")))
    for number in range(100):
        queue.drop(b"run", DropReason.QUEUE_FULL, f"type-{number}", "")
    queue.acknowledge(queue.take())
    misused: Any = emitter.run("r")
    misused.tool_failed("search", Untyped())

    marker = marker_of(queue.take()[0])
    assert (marker.count, len(marker.types or {})) == (100, 32)
    (detail,) = [marker_of(record).detail for record in emitter.records]
    assert detail is not None
    assert detail.endswith("…")
    assert len(detail) == 200


def test_a_record_that_is_too_large_for_the_topic_is_replaced_by_a_marker_with_its_type() -> None:
    queue = SendQueue(10**9, 16)
    record = Record(b"run", message("tool_requested"))
    queue.offer(record)
    marker = queue.replace(record)

    assert marker is not None
    assert marker_of(marker).types == {"tool_requested": 1}
    assert marker_of(marker).detail == f"{len(record.value)} bytes are more than the topic allows"


def test_the_mask_gets_the_detail() -> None:
    def mask(field: str, value: Any) -> Any:
        return "masked" if field == "events_dropped.detail" else value

    emitter = RecordingEmitter(mask=mask)
    emitter.run("r").input(tool=5)  # type: ignore[arg-type]

    assert [marker_of(record).detail for record in emitter.records] == ["masked"]
