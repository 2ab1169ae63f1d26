"""From a record to an event or a dead letter: the judgement that needs no database."""

from agent_runs.decoding import read_envelope
from agent_runs.errors import InvalidEvent, NotJson
from agent_runs.ids import id_problem
from agent_runs.jsontext import MAX_VALUES, too_many_values
from consumer.records import Event, Letter, Reason, Record, storable_timestamp


def decode(record: Record, max_event_bytes: int) -> Event | Letter:
    """Judge one record; of several reasons against it the first of `Reason` is given."""
    if not record.key:
        return Letter(record, Reason.MISSING_KEY, "the key, which must be the run id, is null or empty")
    try:
        run_id = record.key.decode()
    except UnicodeDecodeError as error:
        return Letter(record, Reason.INVALID_KEY, f"the key is not UTF-8 (byte {error.start})")
    if problem := id_problem(run_id):
        return Letter(record, Reason.INVALID_KEY, f"the key {problem}")
    return _decode_value(record, run_id, record.value or b"", max_event_bytes)


def _decode_value(record: Record, run_id: str, value: bytes, max_event_bytes: int) -> Event | Letter:
    if len(value) > max_event_bytes:
        return Letter(record, Reason.TOO_LARGE, f"the value has {len(value)} bytes, more than {max_event_bytes}")
    if too_many_values(value):
        return Letter(record, Reason.TOO_LARGE, f"the value holds more than {MAX_VALUES} JSON values")
    try:
        envelope = read_envelope(value)
    except NotJson as error:
        detail = "the value is null" if record.value is None else str(error)
        return Letter(record, Reason.NOT_JSON, detail)
    except InvalidEvent as error:
        return Letter(record, Reason.INVALID_EVENT, str(error))
    if storable_timestamp(record.timestamp) is None:
        return Letter(
            record, Reason.STORE_REJECTED, f"the record timestamp {record.timestamp} is outside the years 1 to 9999"
        )
    return Event(run_id, envelope, value, None, record)
