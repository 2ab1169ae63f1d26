"""Compares the columns of stored events with their messages."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from agent_runs.codec.decode import read_envelope
from agent_runs.errors import UnreadableEvent
from consumer.postgres.session import Session
from consumer.verify.difference import Difference

_MESSAGES_PER_QUERY: Final = 10  # a message may have megabytes

_UNSTORABLE = re.compile(r"[\ud800-\udfff]|\\(?:(u0000)|.)")


async def compare_messages(session: Session, run_id: str, seqs: Sequence[int]) -> list[Difference]:
    """Return the differences between the columns of some events of a run and their messages."""
    found: list[Difference] = []
    for start in range(0, len(seqs), _MESSAGES_PER_QUERY):
        some = list(seqs[start : start + _MESSAGES_PER_QUERY])
        rows = await session.fetch("messages", [run_id] * len(some), some)
        found += [difference for row in rows for difference in _compare(row)]
    return found


def _compare(row: Mapping[str, Any]) -> Iterator[Difference]:
    where = f"{row['run_id']} {row['event_seq']}"
    if not row["has_possible_time"]:
        yield Difference("impossible_time", where, "created_at is infinity, or not in the years 1 to 9999")
    try:
        envelope = read_envelope(row["event_data"])
    except UnreadableEvent as error:
        yield Difference("unreadable_event", where, str(error))
        return
    if row["id"] != envelope.id:
        yield Difference("other_id", where, f"column {row['id']!r}, message {envelope.id!r}")
    if row["event_type"] != envelope.type:
        yield Difference("other_type", where, f"column {row['event_type']!r}, message {envelope.type!r}")
    if row["parent_event_id"] != envelope.parent_event_id:
        detail = f"column {row['parent_event_id']!r}, message {envelope.parent_event_id!r}"
        yield Difference("other_parent", where, detail)
    if row["raw"] is not None and not _is_raw_of(row["raw"], row["event_data"]):
        yield Difference("other_raw", where, "raw is not event_data with characters that JSONB cannot store")


def _is_raw_of(raw: bytes, message: bytes) -> bool:
    """Whether `message` equals `raw` with U+FFFD in place of NULs and lone surrogates.

    Written without the function by which the service replaces them, so that it would find a mistake there.
    """
    try:
        return _UNSTORABLE.sub(_replacement, _canonical(raw)) == _canonical(message)
    except ValueError:
        return False


def _canonical(text: bytes) -> str:
    # Numbers as floats: JSONB changes their spelling, and int() refuses numbers with thousands of digits.
    return json.dumps(json.loads(text, parse_int=float), ensure_ascii=False, sort_keys=True)


def _replacement(match: re.Match[str]) -> str:
    return match[0] if match[0][0] == "\\" and not match[1] else "\ufffd"
