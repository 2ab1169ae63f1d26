"""The command `questions`."""

from datetime import datetime
from typing import Any

import click
import msgspec

from agent_runs.cli.event_text import question_text
from agent_runs.cli.options import output_option
from agent_runs.cli.output import age_text, note, print_json, print_table, to_json
from agent_runs.cli.questions_of_run import questions_of
from agent_runs.cli.source import read
from agent_runs.events import ToolRequested
from agent_runs.reader import RunFilter, RunSource
from agent_runs.status import RunStatus


class OpenQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """A question that waits for an answer.

    Attributes:
        run: the run that asks.
        agent: its agent.
        id: the id of the question, which is the event of the request.
        seq: the number of that event.
        asked_at: its record's timestamp.
        tool: the tool that was requested.
        args: its arguments.
    """

    run: str
    agent: str
    id: str
    seq: int
    asked_at: datetime
    tool: str
    args: Any


@click.command("questions")
@click.option("--tool", help="Only requests of this tool, such as ask_human.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="The number of questions.")
@output_option
def questions_command(tool: str | None, limit: int, output: str) -> None:
    """List the questions of runs that wait for an answer, oldest first.

    A question is a request of a tool such as ask_human that nobody has answered. `agent-runs answer` answers it.

    \b
    Examples:
      agent-runs questions
      agent-runs questions --tool ask_human -o json
    """
    found = [question for question in read(_all) if tool in (None, question.tool)]
    found.sort(key=lambda question: (question.asked_at, question.run, question.seq))
    shown = found[:limit]
    match output:
        case "json":
            print_json(to_json(shown).encode())
        case "jsonl":
            for question in shown:
                print_json(to_json(question).encode())
        case _ if shown:
            print_table(("RUN", "WAITS", "AGENT", "QUESTION"), map(_row, shown))
        case _:
            note("Nobody waits for an answer.")
    if len(found) > limit:
        note(f"There are {len(found) - limit} more: use --limit {len(found)}")


def _row(question: OpenQuestion) -> tuple[str, ...]:
    asked = question_text(question.args)
    return question.run, age_text(question.asked_at), question.agent, f"{question.tool}: {asked}"


async def _all(source: RunSource) -> list[OpenQuestion]:
    found: list[OpenQuestion] = []
    cursor = None
    while True:
        page = await source.list_runs(RunFilter(status=RunStatus.WAITING), limit=1000, cursor=cursor)
        for run in page.runs:
            for stored in (await questions_of(source, run.id)).open:
                event = stored.event
                if isinstance(event, ToolRequested):
                    found.append(
                        OpenQuestion(
                            run=run.id,
                            agent=run.agent,
                            id=event.id,
                            seq=stored.seq,
                            asked_at=stored.created_at,
                            tool=event.tool_name,
                            args=event.tool_args,
                        )
                    )
        cursor = page.cursor
        if cursor is None:
            return found
