"""`RunsById`: what can be asked about runs whose ids are known, wherever they are stored."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection, Sequence

from agent_runs.reader.events_of_runs import EventOfRun
from agent_runs.reader.last_events import LAST_EVENTS
from agent_runs.reader.runs import RunSummary, StoredRun
from agent_runs.reader.stored_events import StoredEvent
from agent_runs.reader.stream import Stream


class RunsById(ABC):
    """Runs and their events, by the ids of the runs. The base class of `RunSource`."""

    @abstractmethod
    async def get_summary(self, run_id: str) -> RunSummary | None:
        """Return a run without its events; None if it does not exist."""

    @abstractmethod
    def get_run_events(
        self, run_id: str, *, after: int = -1, until: int | None = None, types: Collection[str] | None = None
    ) -> Stream[StoredEvent]:
        """Iterate over the events of a run in the order of `seq`, with bounded memory.

        A run that does not exist has no events.

        Args:
            run_id: the run.
            after: begin with the event after this number.
            until: end with the event of this number. None: with the last event that is stored.
            types: only events of these types. None: of all types.
        """

    async def get_summaries(self, run_ids: Collection[str]) -> dict[str, RunSummary]:
        """Return runs without their events, by id; those that do not exist are left out."""
        found = [await self.get_summary(run_id) for run_id in run_ids]
        return {run.id: run for run in found if run is not None}

    def events_of_runs(self, runs: Sequence[RunSummary]) -> Stream[EventOfRun]:
        """Iterate over the events of runs that were read before: run by run, with bounded memory.

        Args:
            runs: different runs. Events that were stored after a run was read are left out.

        Example:
            from agent_runs.reader import Reader

            async with Reader() as reader:
                page = await reader.get_runs_by_session("session-1")
                async for run_id, event in reader.events_of_runs(page.runs):
                    print(run_id, event.seq, event.type)
        """

        async def pages() -> AsyncIterator[list[EventOfRun]]:
            for run in runs:
                async for events in self.get_run_events(run.id, until=run.event_count - 1).pages:
                    yield [EventOfRun(run.id, event) for event in events]

        return Stream(pages())

    async def get_run(self, run_id: str) -> StoredRun | None:
        """Return a run with all its events; None if it does not exist.

        The events are loaded into memory. For a run that may be big, use `get_summary` and `get_run_events`.
        """
        run = await self.get_summary(run_id)
        if run is None:
            return None
        # Events are never changed, so these are the events as of the moment when the summary was read.
        events = [event async for event in self.get_run_events(run_id, until=run.event_count - 1)]
        return StoredRun(**{name: getattr(run, name) for name in run.__struct_fields__}, events=events)

    async def last_events(self, wanted: Sequence[tuple[RunSummary, str]]) -> list[StoredEvent | None]:
        """Return of each run its last event of the type that is named with it; None if it has none.

        That is nearly always among the last events of the run, which are looked at first.

        Args:
            wanted: different runs, each with the name of a type.
        """
        found: list[StoredEvent | None] = []
        for run, name in wanted:
            events: list[StoredEvent] = []
            after = run.event_count - LAST_EVENTS - 1
            if after > -1:
                events = [event async for event in self.get_run_events(run.id, after=after, types=[name])]
            events = events or [event async for event in self.get_run_events(run.id, types=[name])]
            found.append(events[-1] if events else None)
        return found
