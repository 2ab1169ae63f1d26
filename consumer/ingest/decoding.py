"""Decodes records into events or rejections, with the checks that need no database."""

from functools import lru_cache
from typing import Final

from agent_runs.codec.decode import read_envelope
from agent_runs.codec.json_scan import MAX_VALUES, too_many_values
from agent_runs.errors import InvalidEvent, NotJson
from agent_runs.ids import id_problem
from consumer.model.records import Event, Reason, Record, Rejection, storable_timestamp

# Many records have the same key, so the results of the last 2,048 keys are cached: about 600 KiB with keys of 12
# characters, 1.3 MiB with keys of 245.
_CACHED_KEYS: Final = 2048


def decode(record: Record, max_event_bytes: int) -> Event | Rejection:
    """Return the record's event; or a rejection, with the first reason that applies in the order of `Reason`."""
    if not record.key:
        return Rejection(record, Reason.MISSING_KEY, "the key, which must be the run id, is null or empty")
    run_id, problem = _read_key(record.key)
    if problem is not None:
        return Rejection(record, Reason.INVALID_KEY, f"the key {problem}")
    return _decode_value(record, run_id, record.value or b"", max_event_bytes)


@lru_cache(_CACHED_KEYS)
def _read_key(key: bytes) -> tuple[str, str | None]:
    """Return the run id and None; for an invalid key, the problem takes the place of None."""
    try:
        run_id = key.decode()
    except UnicodeDecodeError as error:
        return "", f"is not UTF-8 (byte {error.start})"
    return run_id, id_problem(run_id)


def _decode_value(record: Record, run_id: str, value: bytes, max_event_bytes: int) -> Event | Rejection:
    if len(value) > max_event_bytes:
        return Rejection(record, Reason.TOO_LARGE, f"the value has {len(value)} bytes, more than {max_event_bytes}")
    if too_many_values(value):
        return Rejection(record, Reason.TOO_LARGE, f"the value holds more than {MAX_VALUES} JSON values")
    try:
        envelope = read_envelope(value)
    except NotJson as error:
        detail = "the value is null" if record.value is None else str(error)
        return Rejection(record, Reason.NOT_JSON, detail)
    except InvalidEvent as error:
        return Rejection(record, Reason.INVALID_EVENT, str(error))
    if storable_timestamp(record.timestamp) is None:
        return Rejection(
            record, Reason.STORE_REJECTED, f"the record timestamp {record.timestamp} is outside the years 1 to 9999"
        )
    return Event(run_id, envelope, value, None, record)
