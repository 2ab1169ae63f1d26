"""Reads something of all events of a run, part by part: their structure, where a text is, and the tokens used.

A part is bounded in events, bytes and time. The caller continues with the next one.
"""

import json
import time
from typing import Final

import msgspec

from agent_runs.reader.connections import Connections, time_of
from agent_runs.reader.event_pages import EventQuery
from agent_runs.reader.llm_calls import LLM_TYPES

# The limits of one query; its bytes are those that PostgreSQL stores, which are compressed.
_MAX_EVENTS: Final = 5000
_MAX_STORED_BYTES: Final = 4 * 1024 * 1024
_SHARE_WITH_HITS: Final = 0.2  # of the time for a search, if there are hits: the first one is shown soon


class Structure(msgspec.Struct, frozen=True, kw_only=True):
    """What some consecutive events are, without their messages: the nth item of each column belongs to the nth event.

    Attributes:
        after: the number of the event before the first one.
        types: the names of the types that occur.
        type: for each event, the place of its type in `types`.
        parent: for each event, the number of its parent; -1 if it has none, or it is not stored.
        at: for each event, the record's timestamp in milliseconds since 1970.
    """

    after: int
    types: list[str]
    type: list[int]
    parent: list[int]
    at: list[int]


class Hits(msgspec.Struct, frozen=True, kw_only=True):
    """The events of a part of a run whose message has a text.

    Attributes:
        hits: the numbers of the events, ascending.
        searched_to: the number of the last event that was searched; pass it as `after` for the next part.
        is_complete: whether this was the last part of what is stored now.
    """

    hits: list[int]
    searched_to: int
    is_complete: bool


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What the calls of models in a part of a run used, by their field `usage`.

    Attributes:
        calls: how many calls these are.
        numbers: the sum of each number in `usage`, such as `input_tokens`, by its name.
        searched_to: the number of the last event that was read; pass it as `after` for the next part.
        is_complete: whether this was the last part of what is stored now.
    """

    calls: int
    numbers: dict[str, float]
    searched_to: int
    is_complete: bool


async def read_structure(connections: Connections, run_id: str, after: int, limit: int) -> Structure:
    """Return the structure of at most `limit` events after a number."""
    rows = await connections.fetch("structure_of_events", run_id, after, limit)
    seq_of = {row["id"]: row["event_seq"] for row in rows}
    elsewhere = {row["parent_event_id"] for row in rows} - seq_of.keys() - {None}
    if elsewhere:
        found = await connections.fetch("numbers_of_ids", run_id, list(elsewhere))
        seq_of |= {row["id"]: row["event_seq"] for row in found}
    place_of: dict[str, int] = {}
    return Structure(
        after=after,
        type=[place_of.setdefault(row["event_type"], len(place_of)) for row in rows],
        types=list(place_of),
        parent=[seq_of.get(row["parent_event_id"], -1) for row in rows],
        at=[round(time_of(row, "created_at").timestamp() * 1000) for row in rows],
    )


async def search(connections: Connections, query: EventQuery, text: str, after: int, budget_s: float) -> Hits:
    """Search the messages of a run for a text, whatever its case, until time is up: a fifth of it if there are hits.

    Args:
        connections: the pool.
        query: which events of which run.
        text: what to find, as it is in a text of the message, or as it is in the message's JSON.
        after: begin with the event after this number.
        budget_s: begin no query after so many seconds. One query takes a fraction of a second.
    """
    plain = text.lower()
    escaped = json.dumps(plain, ensure_ascii=False)[1:-1]  # as PostgreSQL writes JSON
    ends_at = time.monotonic() + budget_s
    hits: list[int] = []
    types = None if query.types is None else list(query.types)
    while True:
        (row,) = await connections.fetch(
            "search_events", query.run_id, after, types, _MAX_EVENTS, _MAX_STORED_BYTES, escaped, plain
        )
        if row["searched_to"] is None:
            return Hits(hits=hits, searched_to=after, is_complete=True)
        after = row["searched_to"]
        hits += sorted(row["hits"] or [])
        if time.monotonic() >= (ends_at - budget_s * (1 - _SHARE_WITH_HITS) if hits else ends_at):
            return Hits(hits=hits, searched_to=after, is_complete=False)


async def sum_usage(connections: Connections, run_id: str, after: int, budget_s: float) -> Usage:
    """Sum what the calls of models used, until time is up.

    Args:
        connections: the pool.
        run_id: the run.
        after: begin with the event after this number.
        budget_s: begin no query after so many seconds.
    """
    ends_at = time.monotonic() + budget_s
    calls, numbers = 0, dict[str, float]()
    while True:
        part, *fields = await connections.fetch(
            "usage_of_calls", run_id, after, LLM_TYPES, _MAX_EVENTS, _MAX_STORED_BYTES
        )
        for field in fields:
            numbers[field["name"]] = numbers.get(field["name"], 0) + field["number"]
        calls += int(part["number"])
        is_complete = part["searched_to"] is None
        after = after if is_complete else part["searched_to"]
        if is_complete or time.monotonic() >= ends_at:
            return Usage(calls=calls, numbers=numbers, searched_to=after, is_complete=is_complete)
