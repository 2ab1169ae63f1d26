"""The command `answer`."""

import getpass
import json
from typing import Any, Final

import click

from agent_runs.cli.errors import Refused
from agent_runs.cli.options import run_argument, wait_option
from agent_runs.cli.output import note, print_line
from agent_runs.cli.source import read_database, summary_of
from agent_runs.publishing.answer_publisher import AnswerPublisher, QuestionLocked
from agent_runs.publishing.answers import answer_event, answers_of
from agent_runs.publishing.single_events import wait_until_stored
from agent_runs.reader import OpenQuestion, Reader, RunSummary, StoredEvent
from agent_runs.reader.event_text import event_text, question_text

_SPAWN: Final = "spawn_agent"
_SHOWN_CHILDREN: Final = 20


def user_name() -> str | None:
    """Return the name of the login; None if it has a number only, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None


@click.command("answer")
@run_argument
@click.argument("text")
@click.option("--question", "question_id", metavar="ID", help="Which question; required if the run has several.")
@click.option("--json", "is_json", is_flag=True, help="TEXT is the JSON of the tool's whole result.")
@click.option("--by", default=user_name, help="Who answers, stored in the event. Default: the login name.")
@wait_option("answer")
def answer_command(  # noqa: PLR0913  # the options of the command
    *,
    run_id: str,
    text: str,
    question_id: str | None,
    is_json: bool,
    by: str | None,
    wait_s: float,
) -> None:
    """Answer a question of a run, so that its agent continues.

    Publishes a `tool_succeeded` of the request, with the result {"answer": TEXT}. A question that is answered already
    is refused, and so is an empty TEXT, and a question that another person answers at this moment. A request of
    spawn_agent, which a child run answers, is only answered if --question names it.

    \b
    Examples:
      agent-runs answer booking-7 yes
      agent-runs answer booking-7 --question ask-2 --json '{"approved": true}'
    """
    if not text.strip():
        raise click.UsageError("""TEXT is empty; --json '{"answer": ""}' gives an empty answer""")
    result = _parsed(text) if is_json else {"answer": text}

    async def work(reader: Reader) -> None:
        run = await summary_of(reader, run_id)
        question = await _choose(reader, run, question_id)
        event = answer_event(question, result, by)

        async def check() -> None:
            await _choose(reader, await summary_of(reader, run_id), question.id)

        try:
            await AnswerPublisher(reader).publish(run_id, question.id, event, check)
        except QuestionLocked as error:
            raise Refused(f"{error}: agent-runs show {run_id} shows it when it is stored") from error
        stored = await wait_until_stored(reader, run_id, event.id, run.event_count - 1, wait_s)
        await _report(reader, run_id, question.id, stored)

    read_database(work)


async def _choose(reader: Reader, run: RunSummary, question_id: str | None) -> OpenQuestion:
    """Return the question to answer.

    Raises:
        Refused: there is none, there are several, it is answered already, or a child run answers it.
    """
    questions = await reader.questions_of([run])
    if question_id is None:
        found = [each for each in questions if each.tool_name != _SPAWN]
    else:
        found = [each for each in questions if each.id == question_id]
    if len(found) == 1:
        return found[0]
    if len(found) > 1:
        lines = [f"  --question {each.id}  {question_text(each)}" for each in found]
        raise Refused("\n".join([f"the run {run.id!r} has several open questions: choose one", *lines]))
    if question_id is None and questions:
        raise Refused(await _waits_for_children(reader, run, questions))
    answers = await answers_of(reader, run.id)
    if question_id in answers:
        answer = answers[question_id]
        raise Refused(f"the question {question_id!r} was answered by event {answer.seq}: {event_text(answer.event)}")
    if question_id is not None:
        raise Refused(f"the run {run.id!r} has no question {question_id!r}")
    if answers:
        last = list(answers.values())[-1]
        raise Refused(
            f"the run {run.id!r} has no open question; event {last.seq} answered the last one: {event_text(last.event)}"
        )
    raise Refused(f"the run {run.id!r} has no open question")


async def _waits_for_children(reader: Reader, run: RunSummary, questions: list[OpenQuestion]) -> str:
    """Return why none of the questions of a run is chosen: a child run answers each of them."""
    children = await reader.unfinished_children([run.id], _SHOWN_CHILDREN)
    lines = [f"  its child {child.id} is {child.status.value}" for child in children]
    lines += [f"  --question {each.id}  {question_text(each)}" for each in questions]
    problem = f"the run {run.id!r} waits for child runs, which answer it when they end: --question answers for them"
    return "\n".join([problem, *lines])


async def _report(reader: Reader, run_id: str, question_id: str, stored: StoredEvent | None) -> None:
    """Print whether the answer is stored, and whether it was the first one."""
    if stored is None:
        note("The answer is in Kafka, but not stored yet: is a consumer running?")
        return
    first = (await answers_of(reader, run_id)).get(question_id)
    if first is not None and first.id != stored.id:
        raise Refused(f"another answer was stored before this one, as event {first.seq}: {event_text(first.event)}")
    run = await summary_of(reader, run_id)
    print_line(f"Answered: event {stored.seq} of {run_id}; the run is {run.status.value}.")


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"TEXT is not JSON: {error}") from error
