"""The same events as other sinks can take them: a flat object, its fields the columns of `run_events`.

None of them numbers the events of a run; here the number is in the message already.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from tests.bench.placement import Placed, numbered

_encode = msgspec.json.Encoder().encode


def flat(placed: Iterable[Placed]) -> Iterator[Placed]:
    """Each event at the same place of another topic, with its columns as fields; `event_data` is a string of JSON."""
    counts: Counter[str] = Counter()
    for record in placed:
        event, event_seq = numbered(record, counts)
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
        yield Placed(record.partition, record.offset, record.timestamp, record.key, _encode(columns))


def connect_schema() -> dict[str, Any]:
    """What Kafka Connect is told of those fields."""
    texts = [_field(name, "string") for name in ("id", "run_id", "event_type")]
    numbers = [_field("event_seq", "int32"), _field("source_partition", "int32"), _field("source_offset", "int64")]
    rest = [
        _field("parent_event_id", "string", optional=True),
        _field("event_data", "string", name="io.debezium.data.Json"),
        _field("created_at", "int64", name="org.apache.kafka.connect.data.Timestamp"),
        _field("raw", "bytes", optional=True),
    ]
    fields: Sequence[dict[str, Any]] = [*texts, *numbers, *rest]
    return {"type": "struct", "optional": False, "fields": fields}


def _field(field: str, type: str, *, optional: bool = False, name: str | None = None) -> dict[str, Any]:
    described = {"field": field, "type": type, "optional": optional}
    return described if name is None else {**described, "name": name}
