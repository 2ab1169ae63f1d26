"""The command `questions`."""

from typing import Final

import click

from agent_runs.cli.options import output_option
from agent_runs.cli.output import age_text, note, print_json, print_table
from agent_runs.cli.source import read
from agent_runs.reader import OpenQuestion, RunSource
from agent_runs.reader.event_text import question_text

_PAGE_RUNS: Final = 100


@click.command("questions")
@click.option("--tool", help="Only requests of this tool, such as ask_human.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="The number of questions.")
@output_option
def questions_command(tool: str | None, limit: int, output: str) -> None:
    """List the questions that nobody has answered.

    A question is a request of a tool such as ask_human without an answer. `agent-runs answer` answers it. Those whose
    run waits longest come first.

    \b
    Examples:
      agent-runs questions
      agent-runs questions --tool ask_human -o json
    """
    found = read(lambda source: _first(source, tool, limit + 1))
    shown = found[:limit]
    match output:
        case "json":
            print_json(b"[%s]" % b",".join(question.to_json() for question in shown))
        case "jsonl":
            for question in shown:
                print_json(question.to_json())
        case _ if shown:
            print_table(("RUN", "WAITS", "AGENT", "QUESTION"), map(_row, shown))
        case _:
            note("Nobody waits for an answer.")
    if len(found) > limit:
        note(f"There are more: use --limit {2 * limit}")


def _row(question: OpenQuestion) -> tuple[str, ...]:
    return question.run.id, age_text(question.asked_at), question.run.agent, question_text(question)


async def _first(source: RunSource, tool: str | None, count: int) -> list[OpenQuestion]:
    """Return the first open questions of a tool, or of all tools."""
    found: list[OpenQuestion] = []
    cursor = None
    while True:
        page = await source.open_questions(limit=min(count, _PAGE_RUNS), cursor=cursor)
        found += [question for question in page.questions if tool in (None, question.tool_name)]
        cursor = page.cursor
        if cursor is None or len(found) >= count:
            return found[:count]
