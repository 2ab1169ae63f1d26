"""Converts events for other sinks into flat objects, whose fields are the columns of `run_events`.

The message contains the event's number within the run, because none of the sinks numbers events.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from tests.bench.records import PlannedRecord, numbered_event

_encode = msgspec.json.Encoder().encode


def flatten(records: Iterable[PlannedRecord]) -> Iterator[PlannedRecord]:
    """Yield each event as a flat object, with the same partition and offset. `event_data` is a string of JSON."""
    counts: Counter[str] = Counter()
    for record in records:
        event, event_seq = numbered_event(record, counts)
        columns = {
            "id": event.envelope.id,
            "run_id": event.run_id,
            "parent_event_id": event.envelope.parent_event_id,
            "event_seq": event_seq,
            "event_type": event.envelope.type,
            "event_data": event.value.decode(),
            "created_at": record.timestamp,
            "source_partition": record.partition,
            "source_offset": record.offset,
            "raw": None,
        }
        yield PlannedRecord(record.partition, record.offset, record.timestamp, record.key, _encode(columns))


def connect_schema() -> dict[str, Any]:
    """Return the schema of the flat object for Kafka Connect's JsonConverter."""
    texts = [_field(name, "string") for name in ("id", "run_id", "event_type")]
    numbers = [_field("event_seq", "int32"), _field("source_partition", "int32"), _field("source_offset", "int64")]
    others = [
        _field("parent_event_id", "string", optional=True),
        _field("event_data", "string", name="io.debezium.data.Json"),
        _field("created_at", "int64", name="org.apache.kafka.connect.data.Timestamp"),
        _field("raw", "bytes", optional=True),
    ]
    fields: Sequence[dict[str, Any]] = [*texts, *numbers, *others]
    return {"type": "struct", "optional": False, "fields": fields}


def _field(field: str, type: str, *, optional: bool = False, name: str | None = None) -> dict[str, Any]:
    described = {"field": field, "type": type, "optional": optional}
    return described if name is None else {**described, "name": name}
