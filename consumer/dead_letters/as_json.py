"""Converts dead letters to JSON documents, in ASCII: control characters of a record have no effect on a terminal."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from consumer.dead_letters.table import Action, DeadLetter, DeadLetterColumns, DeadLetterSummary

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def to_line(document: object) -> str:
    """Return a document as one line of JSON, with all characters outside printable ASCII escaped."""
    return json.dumps(document).replace("\x7f", "\\u007f")


def rfc3339(timestamp_ms: int) -> str | None:
    """Return a time as RFC 3339 in UTC; None outside the years 1 to 9999."""
    try:
        return (_EPOCH + timedelta(milliseconds=timestamp_ms)).isoformat(timespec="milliseconds")
    except OverflowError:
        return None


def summary(letter: DeadLetterSummary) -> Mapping[str, Any]:
    """Return the document of a dead letter without its value and headers, for `list`."""
    return {
        **_common(letter),
        "offset": letter.record_offset,
        "timestamp": None if letter.record_timestamp is None else rfc3339(letter.record_timestamp),
        "value_bytes": letter.value_bytes,
    }


def letter(letter: DeadLetter) -> Mapping[str, Any]:
    """Return the document of a whole dead letter, with bytes in Base64."""
    return {
        **_common(letter),
        "offset": letter.offset,
        "timestamp": rfc3339(letter.timestamp),
        "value": _base64(letter.value),
        "headers": [[name, _base64(value)] for name, value in letter.headers],
    }


def history(actions: Sequence[Action]) -> Sequence[Mapping[str, Any]]:
    """Return the documents of the entries of a dead letter's history."""
    return [
        {"at": rfc3339(action.at), "action": action.action, "reason": action.reason, "detail": action.detail}
        | ({"by": action.actor} if action.actor else {})
        for action in actions
    ]


def _common(letter: DeadLetterColumns) -> dict[str, Any]:
    return {
        "id": letter.id,
        "partition": letter.partition,
        "key": _base64(letter.key),
        "reason": letter.reason,
        "detail": letter.detail,
        "state": letter.state,
        "retries": letter.retries,
        "created_at": rfc3339(letter.created_at),
        "updated_at": rfc3339(letter.updated_at),
    }


def _base64(data: bytes | None) -> str | None:
    return None if data is None else b64encode(data).decode()
