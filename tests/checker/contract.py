"""The message contract: which JSON objects are events (`invalid_field`)."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from typing import TypeAlias

from tests.checker.strict_json import Json, Number

MAX_ID_BYTES = 255
MAX_COUNT = 2**31 - 1
MAX_LABELS = 32


class _Absent:
    """The type of ABSENT: a missing field, in contrast to null."""


ABSENT = _Absent()
Field: TypeAlias = "Json | _Absent"
Check: TypeAlias = Callable[[Field], bool]

_UNFIT_FOR_IDS = re.compile("[\0\ud800-\udfff]")
_INTEGER = re.compile(r"-?\d+", re.ASCII)
_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:Z|[-+](\d\d):(\d\d))",
    re.ASCII,
)


def is_id(field: Field) -> bool:
    if not isinstance(field, str) or _UNFIT_FOR_IDS.search(field):
        return False
    return 0 < len(field.encode()) <= MAX_ID_BYTES


def is_text(field: Field) -> bool:
    return isinstance(field, str)


def is_anything(field: Field) -> bool:
    return field is not ABSENT


def is_count(field: Field) -> bool:
    if not isinstance(field, Number) or not _INTEGER.fullmatch(field.literal):
        return False
    # The length first: Python refuses to convert more than 4,300 digits to an integer.
    return len(field.literal) <= len(str(MAX_COUNT)) and 1 <= int(field.literal) <= MAX_COUNT


def is_counts(field: Field) -> bool:
    return isinstance(field, dict) and all(is_count(value) for value in field.values())


def is_labels(field: Field) -> bool:
    if not isinstance(field, dict) or len(field) > MAX_LABELS:
        return False
    return all(is_id(name) and (value == "" or is_id(value)) for name, value in field.items())


def is_timestamp(field: Field) -> bool:
    match = _TIMESTAMP.fullmatch(field) if isinstance(field, str) else None
    if match is None:
        return False
    year, month, day, hour, minute, second, offset_hour, offset_minute = (int(part or 0) for part in match.groups())
    return (
        year >= 1  # Python's datetime and PostgreSQL have no year 0
        and 1 <= month <= 12
        and 1 <= day <= monthrange(year, month)[1]
        and max(hour, offset_hour) <= 23
        and max(minute, second, offset_minute) <= 59
    )


def or_null(check: Check) -> Check:
    return lambda field: field is None or field is ABSENT or check(field)


COMMON: Mapping[str, Check] = {
    "type": is_id,
    "id": is_id,
    "parent_event_id": or_null(is_id),
    "timestamp": is_timestamp,
}
BY_TYPE: Mapping[str, Mapping[str, Check]] = {
    "input": {"tool": is_text, "data": is_anything},
    "context_assembled": {"context": is_anything},
    "llm_called": {"model": is_text, "system_prompt": is_text, "user_prompt": is_text, "raw_response": is_text},
    "llm_failed": {"model": is_text, "system_prompt": is_text, "user_prompt": is_text, "error": is_text},
    "tool_requested": {"tool_name": is_text, "tool_args": is_anything, "role": or_null(is_text)},
    "tool_succeeded": {"tool_name": is_text, "result": is_anything, "role": or_null(is_text)},
    "tool_failed": {"tool_name": is_text, "error": is_text, "role": or_null(is_text)},
    "run_started": {
        "agent_id": is_id,
        "session_id": or_null(is_id),
        "parent_run_id": or_null(is_id),
        "labels": or_null(is_labels),
    },
    "run_waiting": {"reason": or_null(is_text)},
    "run_resumed": {"reason": or_null(is_text)},
    "run_completed": {"result": or_null(is_anything)},
    "run_failed": {"error": is_text},
    "events_dropped": {
        "count": is_count,
        "reason": or_null(is_text),
        "types": or_null(is_counts),
        "detail": or_null(is_text),
    },
}


def invalid_field(fields: Mapping[str, Json]) -> str | None:
    """The name of the first field that violates the contract; None if the fields are an event."""
    for name, check in COMMON.items():
        if not check(fields.get(name, ABSENT)):
            return name
    kind = fields["type"]
    assert isinstance(kind, str)
    for name, check in BY_TYPE.get(kind, {}).items():
        if not check(fields.get(name, ABSENT)):
            return name
    return None
