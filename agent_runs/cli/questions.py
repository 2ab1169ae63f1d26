"""The command `questions`."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import click

from agent_runs.cli.options import output_option
from agent_runs.cli.output import age_text, note, print_json, print_table
from agent_runs.cli.source import read
from agent_runs.reader import OpenQuestion, QuestionLine, RunSource, RunSummary
from agent_runs.reader.event_text import question_text

_PAGE_RUNS: Final = 100
_Question = TypeVar("_Question", OpenQuestion, QuestionLine)


@click.command("questions")
@click.option("--tool", help="Only requests of this tool, such as ask_human.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="The number of questions.")
@output_option
def questions_command(tool: str | None, limit: int, output: str) -> None:
    """List the questions that nobody has answered.

    A question is a request of a tool such as ask_human without an answer. `agent-runs answer` answers it. Those whose
    run waits longest come first. The requests of spawn_agent, which a child run answers, are questions too; --tool
    leaves them out.

    \b
    Examples:
      agent-runs questions
      agent-runs questions --tool ask_human -o json
    """
    if output == "table":
        lines = read(lambda source: _first(source, source.question_lines, tool, limit + 1))
        if lines:
            print_table(("RUN", "WAITS", "AGENT", "QUESTION"), map(_row, lines[:limit]))
        else:
            note("Nobody waits for an answer.")
        _note_rest(len(lines), limit)
        return
    found = read(lambda source: _first(source, source.questions_of, tool, limit + 1))
    documents = [question.to_json() for question in found[:limit]]
    for line in [b"[%s]" % b",".join(documents)] if output == "json" else documents:
        print_json(line)
    _note_rest(len(found), limit)


def _note_rest(count: int, limit: int) -> None:
    if count > limit:
        note(f"There are more: use --limit {2 * limit}")


def _row(question: QuestionLine) -> tuple[str, ...]:
    return question.run.id, age_text(question.asked_at), question.run.agent, question_text(question)


async def _first(
    source: RunSource,
    questions_of: Callable[[Sequence[RunSummary]], Awaitable[list[_Question]]],
    tool: str | None,
    count: int,
) -> list[_Question]:
    """Return the first open questions of a tool, or of all tools."""
    found: list[_Question] = []
    cursor = None
    while True:
        page = await source.waiting_runs(limit=min(count, _PAGE_RUNS), cursor=cursor)
        found += [question for question in await questions_of(page.runs) if tool in (None, question.tool_name)]
        cursor = page.cursor
        if cursor is None or len(found) >= count:
            return found[:count]
