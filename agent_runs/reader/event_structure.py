"""What can be asked about the events of a run without reading their messages, or by reading few of them."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

from agent_runs.reader.connections import Connections
from agent_runs.reader.event_pages import EventQuery, event_pages
from agent_runs.reader.llm_calls import LLM_TYPES, LlmCall, call_of_events
from agent_runs.reader.new_events import NewEvents, read_new_events
from agent_runs.reader.run_scan import Hits, Structure, Usage, read_structure, search, sum_usage
from agent_runs.reader.stored_events import OpaqueEvent, StoredEvent
from agent_runs.reader.timeline import Timeline, read_timeline

_CALLS_BEFORE: Final = 8  # a call is compared with the one before it; if that cannot be decoded, with an earlier one


class EventStructure:
    """The queries of `Reader` about the structure of runs.

    Args:
        connections: the pool.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def new_events(self, after: Mapping[str, int]) -> NewEvents:
        """Return which of many runs have new events, and these: at most 500 of a run and 2 MiB as stored of all runs.

        Costs one lookup by key for each run that has none.

        Args:
            after: by the id of each run, the number of the last event that the caller has; -1 for none.
        """
        return await read_new_events(self._connections, after)

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

    async def structure(self, run_id: str, *, after: int = -1, limit: int = 5000) -> Structure:
        """Return the types, parents and times of at most `limit` events after a number."""
        return await read_structure(self._connections, run_id, after, limit)

    async def search_events(
        self, run_id: str, text: str, *, after: int = -1, types: Collection[str] | None = None, budget_s: float = 0.5
    ) -> Hits:
        """Search the messages of the next events of a run for a text, whatever its case.

        Returns after about `budget_s` seconds, or after a fifth of them if there are hits. See `Hits.searched_to`.

        Args:
            run_id: the run.
            text: what to find: as it is in a text of the message, or as it is in the message's JSON.
            after: begin with the event after this number.
            types: only events of these types. None: of all types.
            budget_s: the time to search.

        Example:
            from agent_runs.reader import Reader

            async with Reader() as reader:
                found = await reader.search_events("run-1", "connection refused")
                print(found.hits, found.is_complete)
        """
        return await search(self._connections, EventQuery(run_id, types=types), text, after, budget_s)

    async def usage(self, run_id: str, *, after: int = -1, budget_s: float = 1.0) -> Usage:
        """Sum the field `usage` of the next calls of models of a run. Returns after about `budget_s` seconds."""
        return await sum_usage(self._connections, run_id, after, budget_s)

    async def timeline(
        self,
        run_ids: Collection[str],
        *,
        begin: datetime | None = None,
        end: datetime | None = None,
        limit: int = 1000,
    ) -> Timeline:
        """Return the longest calls of models and tools in some runs, with their begins and ends.

        Reads the structure of all events of these runs: half a second for 200,000 events.

        Args:
            run_ids: the runs.
            begin: only steps that end at this time or later. None: all.
            end: only steps that begin at this time or earlier. None: all.
            limit: how many steps.
        """
        return await read_timeline(self._connections, list(run_ids), begin, end, limit)

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
