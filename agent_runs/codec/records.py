"""Validates a record of the topic: whether it is an event of the contract, and if not, why.

The service and `agent_runs.replay.read_topic` use the same function, so that both refuse the same records.
"""

from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar

from agent_runs.codec.json_scan import MAX_VALUES, too_many_values
from agent_runs.errors import NotJson, UnreadableEvent
from agent_runs.ids import id_problem

_T = TypeVar("_T")

# The range of both `datetime` and timestamptz, in milliseconds since 1970: the years 1 to 9999.
_EARLIEST_MS: Final = -62_135_596_800_000
_LATEST_MS: Final = 253_402_300_799_999
# Many records have the same key, so the results of the last 2,048 keys are cached: about 600 KiB with keys of 12
# characters, 1.3 MiB with keys of 245.
_CACHED_KEYS: Final = 2048


class Reason(StrEnum):
    """Why a record is rejected. If several reasons apply, the first in this order is used."""

    MISSING_KEY = "missing_key"
    INVALID_KEY = "invalid_key"
    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    INVALID_EVENT = "invalid_event"
    STORE_REJECTED = "store_rejected"
    EVENT_ID_CONFLICT = "event_id_conflict"
    UNREADABLE = "unreadable"  # the Kafka client cannot parse it; the service halts the partition before it


class Refusal(NamedTuple):
    """Why a record is not an event."""

    reason: Reason
    detail: str


def validate_record(
    key: bytes | None, value: bytes | None, timestamp_ms: int, max_event_bytes: int, decode: Callable[[bytes], _T]
) -> tuple[str, _T] | Refusal:
    """Return the run id and the decoded value of a record; or the first reason to refuse it, in `Reason`'s order.

    Args:
        key: the key of the record.
        value: the value of the record.
        timestamp_ms: its timestamp, in milliseconds since 1970.
        max_event_bytes: the most bytes that a value may have.
        decode: `read_envelope`, or `decode_event`, which refuses the same messages.
    """
    run_id, refusal = _read_key(key)
    if refusal is not None:
        return refusal
    message = value or b""
    if len(message) > max_event_bytes:
        return Refusal(Reason.TOO_LARGE, f"the value has {len(message)} bytes, more than {max_event_bytes}")
    if too_many_values(message):
        return Refusal(Reason.TOO_LARGE, f"the value holds more than {MAX_VALUES} JSON values")
    try:
        found = decode(message)
    except UnreadableEvent as error:
        reason = Reason.NOT_JSON if isinstance(error, NotJson) else Reason.INVALID_EVENT
        return Refusal(reason, "the value is null" if value is None else str(error))
    if storable_timestamp(timestamp_ms) is None:
        return Refusal(Reason.STORE_REJECTED, f"the record timestamp {timestamp_ms} is outside the years 1 to 9999")
    return run_id, found


@lru_cache(_CACHED_KEYS)
def _read_key(key: bytes | None) -> tuple[str, Refusal | None]:
    """Return the run id and None; or an empty text and why the key is refused."""
    if not key:
        return "", Refusal(Reason.MISSING_KEY, "the key, which must be the run id, is null or empty")
    try:
        run_id = key.decode()
    except UnicodeDecodeError as error:
        return "", Refusal(Reason.INVALID_KEY, f"the key is not UTF-8 (byte {error.start})")
    problem = id_problem(run_id)
    return ("", Refusal(Reason.INVALID_KEY, f"the key {problem}")) if problem else (run_id, None)


def storable_timestamp(timestamp_ms: int) -> int | None:
    """Return the timestamp; None if `datetime` or timestamptz cannot hold it."""
    return timestamp_ms if _EARLIEST_MS <= timestamp_ms <= _LATEST_MS else None
