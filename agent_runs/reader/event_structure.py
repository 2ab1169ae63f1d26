"""What can be asked about the events of a run without reading their messages, or by reading few of them."""

from collections.abc import Collection
from typing import Final

from agent_runs.reader.connections import Connections
from agent_runs.reader.event_pages import EventQuery, event_pages
from agent_runs.reader.llm_calls import LLM_TYPES, LlmCall, call_of_events
from agent_runs.reader.stored_events import OpaqueEvent, StoredEvent

_CALLS_BEFORE: Final = 8  # a call is compared with the one before it; if that cannot be decoded, with an earlier one


class EventStructure:
    """The queries of `Reader` about the structure of runs.

    Args:
        connections: the pool.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def event_counts(self, run_ids: Collection[str]) -> dict[str, int]:
        """Return how many events each of these runs has, by its id; runs that do not exist are left out.

        One lookup by key for each run: the cheapest way to see which of many runs have new events.
        """
        rows = await self._connections.fetch("event_counts", list(run_ids))
        return {row["id"]: row["event_count"] for row in rows}

    async def llm_call(self, run_id: str, number: int | None = None) -> LlmCall | None:
        """See `RunSource.llm_call`. Reads the messages of the call and of the one before it only."""
        if number is None:
            rows = await self._connections.fetch("last_numbers_of_events", run_id, LLM_TYPES, 1 + _CALLS_BEFORE)
            number = rows[0]["count"] if rows else 0
            seqs = [row["event_seq"] for row in reversed(rows)]
        else:
            skipped = max(0, number - 1 - _CALLS_BEFORE)
            wanted = max(0, number - skipped)  # this call, and some before it
            rows = await self._connections.fetch("numbers_of_events", run_id, LLM_TYPES, -1, skipped, wanted)
            seqs = [row["event_seq"] for row in rows]
            if len(seqs) < wanted:
                return None
        return await self._call(run_id, number, seqs) if seqs else None

    async def count_llm_calls(self, run_id: str, until: int) -> int:
        """Return how many calls of language models a run has up to the event of this number."""
        (row,) = await self._connections.fetch("count_events", run_id, LLM_TYPES, until)
        return int(row["count"])

    async def has_llm_call(self, run_id: str, after: int) -> bool:
        """Return whether a run has a call of a language model after the event of this number."""
        return bool(await self._connections.fetch("numbers_of_events", run_id, LLM_TYPES, after, 0, 1))

    async def _call(self, run_id: str, number: int, seqs: list[int]) -> LlmCall | None:
        """Return the call that the last of these events is, compared with the last readable one before it."""
        called, *earlier = seqs[::-1]
        for seq in earlier:
            before = await self._event(run_id, seq)
            if not isinstance(before.event, OpaqueEvent):
                return call_of_events(number, await self._event(run_id, called), before)
        return call_of_events(number, await self._event(run_id, called), None)

    async def _event(self, run_id: str, seq: int) -> StoredEvent:
        pages = event_pages(self._connections, EventQuery(run_id, until=seq), seq - 1)
        return (await anext(pages))[0]
