"""`RunSource`: what can be asked about stored runs, wherever they are stored."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Final

from agent_runs.reader.errors import ReaderError
from agent_runs.reader.inbox import OpenQuestion, QuestionPage
from agent_runs.reader.llm_calls import LLM_TYPES, LlmCall, calls_of_pages, nth_call
from agent_runs.reader.question_lines import QuestionLine, line_of_question
from agent_runs.reader.run_filter import RunFilter
from agent_runs.reader.runs import RunPage, RunSummary
from agent_runs.reader.runs_by_id import RunsById
from agent_runs.reader.stream import Stream
from agent_runs.reader.tree import RelatedRuns, RunTree, tree_of
from agent_runs.status import FINISHED, RunStatus

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 1000
TREE_LIMIT: Final = 1000
LOOKED_AT_CHILDREN: Final = 100


class RunSource(RunsById):
    """Stored runs and their events. `Reader` is the implementation for PostgreSQL."""

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
