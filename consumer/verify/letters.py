"""Compares dead letters with their histories."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final

from agent_runs.codec.decode import read_envelope
from agent_runs.errors import UnreadableEvent
from consumer.postgres.session import Session
from consumer.postgres.store import Row
from consumer.verify.difference import Difference

_LETTERS_PER_PAGE: Final = 500
_RECORDS_PER_QUERY: Final = 10  # a record may have megabytes
_MAX_HEADERS: Final = 10_000  # that are stored of one record


async def verify_letters(session: Session) -> AsyncIterator[Difference]:
    """Yield what is wrong with the rows of dead_letters, apart from their bytes, which only the log can tell."""
    last_id = 0
    while rows := await session.fetch("letters_to_compare", last_id, _LETTERS_PER_PAGE):
        last_id = rows[-1]["id"]
        for row in rows:
            for problem in _problems(row):
                yield _difference(row["id"], problem)
        resolved = [row["id"] for row in rows if row["state"] == "resolved"]
        for start in range(0, len(resolved), _RECORDS_PER_QUERY):
            for letter_id in await _without_event(session, resolved[start : start + _RECORDS_PER_QUERY]):
                yield _difference(letter_id, "it is resolved, but its run does not have its event")


async def _without_event(session: Session, letter_ids: Sequence[int]) -> list[int]:
    """Return the resolved letters whose event is not stored, although its run exists: a run may be deleted."""
    keys: dict[int, tuple[str, str] | None] = {}
    for row in await session.fetch("letter_records", letter_ids):
        try:
            keys[row["id"]] = row["key"].decode(), read_envelope(row["value"]).id
        except (AttributeError, UnicodeDecodeError, UnreadableEvent):  # no event: a retry cannot have stored it
            keys[row["id"]] = None
    places = [key for key in keys.values() if key is not None]
    run_ids, event_ids = [run_id for run_id, _ in places], [event_id for _, event_id in places]
    stored = {(row["run_id"], row["id"]) for row in await session.fetch("existing_events", run_ids, event_ids)}
    runs = {row["id"] for row in await session.fetch("existing_runs", run_ids)}
    return [letter_id for letter_id, key in keys.items() if key is None or (key[0] in runs and key not in stored)]


def _difference(letter_id: int, problem: str) -> Difference:
    return Difference("letter", f"dead letter {letter_id}", problem)


def _problems(row: Row) -> Iterator[str]:
    for column, expected in _expected(row).items():
        if row[column] != expected:
            yield f"{column} is {row[column]!r}, expected from its history: {expected!r}"
    if not row["headers_valid"] or (row["omitted_headers"] > 0 and row["header_count"] != _MAX_HEADERS):
        yield "headers are not a list of names and Base64 values, or not as many as omitted_headers says"
    if row["first_refusals"] != (row["retried"] > 0):
        yield f"its history has {row['first_refusals']} first refusals and {row['retried']} further ones"
    if row["reason"] == "unreadable" and row["skipped"] == 0:
        yield "it is unreadable, but its history names no one who skipped it"
    if row["beyond_offset"]:
        yield "its record is not below the stored offset of its partition"


def _expected(row: Row) -> dict[str, Any]:
    closed = [state for state in ("resolved", "discarded") for _ in range(row[f"times_{state}"])]
    expected = {
        "state": "open" if not closed else closed[0] if len(closed) == 1 else f"{len(closed)} times closed",
        "retries": row["retried"],
        "updated_at": row["last_action_at"] or row["created_at"],
    }
    return expected | ({"reason": row["last_reason"], "detail": row["last_detail"]} if row["retried"] else {})
