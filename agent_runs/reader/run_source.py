"""`RunSource`: what can be asked about stored runs, wherever they are stored."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import Final

from agent_runs.reader.errors import ReaderError
from agent_runs.reader.inbox import OpenQuestion, QuestionPage
from agent_runs.reader.last_events import LAST_EVENTS
from agent_runs.reader.llm_calls import LLM_TYPES, LlmCall, calls_of_pages, nth_call
from agent_runs.reader.question_lines import QuestionLine, line_of_question
from agent_runs.reader.run_filter import RunFilter
from agent_runs.reader.runs import RunPage, RunSummary, StoredRun
from agent_runs.reader.stored_events import StoredEvent
from agent_runs.reader.stream import Stream
from agent_runs.reader.tree import RelatedRuns, RunTree, tree_of
from agent_runs.status import FINISHED, RunStatus

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 1000
TREE_LIMIT: Final = 1000
LOOKED_AT_CHILDREN: Final = 100


class RunSource(ABC):
    """Stored runs and their events. `Reader` is the implementation for PostgreSQL."""

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

    @abstractmethod
    async def list_runs(
        self, filter: RunFilter | None = None, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
    ) -> RunPage:
        """Return a page of the runs that meet all conditions of a filter, newest first.

        A page begins after the last run of the previous one, whatever was stored meanwhile. Newer runs are not on it.

        Args:
            filter: the conditions. None: all runs.
            limit: how many runs a page has, from 1 to 1000.
            cursor: the `cursor` of the previous page. None: the first page.

        Raises:
            InvalidCursor: no page has returned this cursor.

        Example:
            from agent_runs.reader import Reader, RunFilter

            async with Reader() as reader:
                first = await reader.list_runs(RunFilter(agent="scheduler", has_dropped_events=True), limit=20)
                if first.cursor is not None:
                    second = await reader.list_runs(RunFilter(agent="scheduler"), limit=20, cursor=first.cursor)
        """

    @abstractmethod
    async def waiting_runs(self, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None) -> RunPage:
        """Return a page of the runs with open questions, those first that wait longest; see `open_questions`.

        Args:
            limit: how many runs a page has, from 1 to 1000.
            cursor: the `cursor` of the previous page. None: the first page.
        """

    async def open_questions(self, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None) -> QuestionPage:
        """Return a page of the questions that nobody has answered, those first whose run waits longest.

        Args:
            limit: of how many runs a page has the questions, from 1 to 1000.
            cursor: the `cursor` of the previous page. None: the first page.

        Raises:
            InvalidCursor: no page has returned this cursor.

        Example:
            from agent_runs.reader import Reader

            async with Reader() as reader:
                for question in (await reader.open_questions()).questions:
                    print(question.asked_at, question.run.id, question.text)
        """
        page = await self.waiting_runs(limit=limit, cursor=cursor)
        return QuestionPage(questions=await self.questions_of(page.runs), cursor=page.cursor)

    @abstractmethod
    async def questions_of(self, runs: Sequence[RunSummary]) -> list[OpenQuestion]:
        """Return the open questions of runs that were read before: run by run, the oldest question of a run first.

        Example:
            from agent_runs.reader import Reader, RunFilter

            async with Reader() as reader:
                page = await reader.list_runs(RunFilter(agent="scheduler", has_open_questions=True))
                for question in await reader.questions_of(page.runs):
                    print(question.run.id, question.text)
        """

    async def question_lines(self, runs: Sequence[RunSummary]) -> list[QuestionLine]:
        """Return the same questions with the beginning of their texts, without loading their requests."""
        return [line_of_question(question) for question in await self.questions_of(runs)]

    @abstractmethod
    async def close(self) -> None:
        """Close what is open. A later call opens it again."""

    @abstractmethod
    async def related_runs(self, run_id: str, limit: int) -> RelatedRuns:
        """Return the ancestors and descendants of a run, at most `limit` of each; for `get_tree`."""

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

    async def get_runs_by_session(
        self, session_id: str, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
    ) -> RunPage:
        """Return a page of the runs of a session, newest first. See `list_runs`."""
        return await self.list_runs(RunFilter(session=session_id), limit=limit, cursor=cursor)

    async def get_runs_by_status(
        self, status: RunStatus | str, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
    ) -> RunPage:
        """Return a page of the runs of a status, newest first. See `list_runs`.

        Raises:
            ValueError: it is none of the four statuses.
        """
        return await self.list_runs(RunFilter(status=RunStatus(status)), limit=limit, cursor=cursor)

    async def get_runs_by_agent(self, agent: str, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None) -> RunPage:
        """Return a page of the runs of an agent, newest first. See `list_runs`."""
        return await self.list_runs(RunFilter(agent=agent), limit=limit, cursor=cursor)

    async def get_children(self, run_id: str, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None) -> RunPage:
        """Return a page of the children of a run, newest first. See `list_runs`."""
        return await self.list_runs(RunFilter(parent=run_id), limit=limit, cursor=cursor)

    async def get_tree(self, run_id: str, *, limit: int = TREE_LIMIT) -> RunTree | None:
        """Return the ancestors of a run, and the tree of its descendants; None if the run does not exist.

        Args:
            run_id: the run.
            limit: how many ancestors and how many descendants the tree has at most.

        Example:
            from agent_runs.reader import Reader

            async with Reader() as reader:
                tree = await reader.get_tree("run-1")
                for node in tree.nodes if tree else []:
                    print("  " * node.depth, node.run.id, node.run.status)
        """
        run = await self.get_summary(run_id)
        return tree_of(run, await self.related_runs(run_id, limit)) if run is not None else None

    async def unfinished_children(self, parents: Sequence[str], limit: int) -> list[RunSummary]:
        """Return of the newest 100 children of each parent the newest ones that have not ended, the oldest first.

        Args:
            parents: the ids of the parents.
            limit: how many children of each parent are returned.
        """
        found = []
        for run_id in parents:
            page = await self.get_children(run_id, limit=LOOKED_AT_CHILDREN)
            found += [child for child in page.runs if child.status not in FINISHED][:limit][::-1]
        return found

    def llm_calls(self, run_id: str) -> Stream[LlmCall]:
        """Iterate over the calls of language models of a run, each with the difference to the prompt before it.

        Example:
            from agent_runs.reader import Reader

            async with Reader() as reader:
                async for call in reader.llm_calls("run-1"):
                    print(call.number, call.user_prompt, call.raw_response, call.changes)
        """
        return Stream(calls_of_pages(self.get_run_events(run_id, types=LLM_TYPES).pages))

    async def llm_call(self, run_id: str, number: int | None = None) -> LlmCall | None:
        """Return one call of a language model of a run, or the last one; None if there is no such call.

        Args:
            run_id: the run.
            number: its number among the calls of the run, from 1. None: the last one.
        """
        return await nth_call(self.get_run_events(run_id, types=LLM_TYPES).pages, number)


def check_limit(limit: int) -> None:
    """Require that a page may have so many runs.

    Raises:
        ReaderError: it may not.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise ReaderError(f"limit must be from 1 to {MAX_LIMIT}, got {limit}")
