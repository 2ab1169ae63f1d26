"""Failures of a `FakeWriter`, and what a lane has reported."""

from collections.abc import Callable

from agent_runs.codec.records import Reason
from consumer.errors import ConsumerError
from consumer.lanes.lanes import Lane
from consumer.model.batches import Batch
from tests.support.fakes import Failure, FakeWriter


def if_batch_has(offset: int, error: Callable[[], ConsumerError], partition: int = 0) -> Failure:
    """Fail every batch that holds this event."""

    def failure(batch: Batch) -> ConsumerError | None:
        found = any(event.coordinates == (partition, offset) for slice_ in batch for event in slice_.events)
        return error() if found else None

    return failure


def if_larger_than(records: int, error: Callable[[], ConsumerError]) -> Failure:
    """Fail every batch with more records."""
    return lambda batch: error() if sum(slice_.records for slice_ in batch) > records else None


def stored(lane: Lane) -> float | None:
    """The number of events that were reported to the observer."""
    return lane._observer.registry.get_sample_value("agent_runs_events_stored_total")


def committed(lane: Lane) -> float | None:
    """The number of transactions that were reported to the observer."""
    return lane._observer.registry.get_sample_value("agent_runs_batch_records_count")


def rejections(writer: FakeWriter) -> list[tuple[int, Reason, str]]:
    """The offset, the reason and the detail of each rejection that was stored."""
    return [
        (rejection.record.offset, rejection.reason, rejection.detail)
        for batch in writer.batches
        for slice_ in batch
        for rejection in slice_.rejections
    ]
