"""The command `show`."""

from collections.abc import Iterator
from typing import Final

import click
from rich.text import Text

from agent_runs.cli.options import run_argument
from agent_runs.cli.output import print_fact, print_json, print_line, since, status_text
from agent_runs.cli.source import read, summary_of
from agent_runs.cli.timeline import Timeline
from agent_runs.escaping import escape_line
from agent_runs.events import EventsDropped
from agent_runs.reader import OpaqueEvent, QuestionLine, RunSource, RunSummary, RunTree, StoredEvent
from agent_runs.reader.event_text import missing_text, origin_text, question_text
from agent_runs.reader.llm_calls import LLM_TYPES
from agent_runs.run_file import RunNotFound
from agent_runs.status import RunState, fold
from agent_runs.times import time_text

_TREE_RUNS: Final = 100  # ancestors, and as many descendants
_ASKING_CHILDREN: Final = 20  # whose open questions are shown


@click.command("show")
@run_argument
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Text or JSON."
)
def show_command(run_id: str, output: str) -> None:
    """Show a run: its tree, its events, its open questions.

    The tree has its parents and children. At the end are the open questions of the run and of the runs that it spawned,
    and where events are missing.

    Each event has its number, the time since the event before, its type, the status of the run after it, and what it
    says. Calls of models are numbered, for the command prompt.

    \b
    Examples:
      agent-runs show booking-7
      agent-runs show booking-7 -o json
    """
    read(lambda source: _show_json(source, run_id) if output == "json" else _show(source, run_id))


async def _show_json(source: RunSource, run_id: str) -> None:
    run = await source.get_run(run_id)
    if run is None:
        raise RunNotFound(run_id)
    print_json(run.to_json())


async def _show(source: RunSource, run_id: str) -> None:
    run = await summary_of(source, run_id)
    tree = await source.get_tree(run_id, limit=_TREE_RUNS)
    _print_facts(run)
    if tree is not None and len(tree.ancestors) + len(tree.nodes) > 1:
        print_line("")
        for line in _tree_lines(tree, run_id):
            print_line(line)
    print_line("")
    holes = await _print_events(source, run)
    _print_questions(run, await source.question_lines([run]))
    # The tree has the oldest descendants; a run with many children often waits for the newest ones.
    spawned = [node.run for node in tree.nodes[1:]] if tree is not None else []
    spawned += await source.unfinished_children([run_id], _ASKING_CHILDREN)
    asking = {each.id: each for each in spawned if each.open_questions and each.id != run_id}
    _print_questions(run, await source.question_lines(list(asking.values())[:_ASKING_CHILDREN]))
    _print_holes(holes)


async def _print_events(source: RunSource, run: RunSummary) -> list[StoredEvent]:
    """Print the events, and return those where events are missing."""
    timeline, state, calls, holes = Timeline(run.event_count - 1), RunState(), 0, []
    async for stored in source.get_run_events(run.id, until=run.event_count - 1):
        if not isinstance(stored.event, OpaqueEvent):
            state = fold(state, stored.event)
        is_call = stored.type in LLM_TYPES
        calls += is_call
        timeline.print(stored, state.status, calls if is_call else None)
        if isinstance(stored.event, EventsDropped):
            holes.append(stored)
    return holes


def _print_facts(run: RunSummary) -> None:
    print_line(Text.assemble((escape_line(run.id), "bold"), "  ", status_text(run.status)))
    facts = {
        "agent": run.agent,
        "session": run.session_id,
        "origin": origin_text(run),
        "created": time_text(run.created_at),
        "updated": f"{time_text(run.updated_at)} ({since(run.updated_at)} ago)",
        "status": f"{run.status.value} for {since(run.status_changed_at)}",
        "events": str(run.event_count) + (f", and {run.dropped_events} dropped" if run.dropped_events else ""),
    }
    if run.labels:
        facts["labels"] = " ".join(f"{name}={value}" for name, value in run.labels.items())
    for name, value in facts.items():
        if value is not None:
            print_fact(name, value, 8)


def _tree_lines(tree: RunTree, run_id: str) -> Iterator[Text]:
    """The tree, one line a run: its ancestors above it, its descendants below."""
    for depth, run in enumerate(tree.ancestors):
        yield _tree_line(depth, run, run_id)
    for node in tree.nodes:
        yield _tree_line(len(tree.ancestors) + node.depth, node.run, run_id)
    if not tree.is_complete:
        yield Text("… and more: agent-runs runs --parent RUN lists the children of a run", "dim")


def _tree_line(depth: int, run: RunSummary, run_id: str) -> Text:
    style = "bold" if run.id == run_id else ""
    indent = "  " * min(depth, 20)
    return Text.assemble(
        indent, (escape_line(run.id), style), "  ", status_text(run.status), "  ", (escape_line(run.agent), "dim")
    )


def _print_questions(run: RunSummary, questions: list[QuestionLine]) -> None:
    for question in questions:
        print_line("")
        whose = "" if question.run.id == run.id else f" of {question.run.id}"
        print_line(f"open question {question.id}{whose}", "yellow")
        print_line(f"  waits for {since(question.asked_at)}: {question_text(question)}")


def _print_holes(holes: list[StoredEvent]) -> None:
    if holes:
        print_line("")
    for stored in holes:
        if isinstance(stored.event, EventsDropped):
            print_line(f"hole before event {stored.seq + 1}: {missing_text(stored.event)}", "magenta")
