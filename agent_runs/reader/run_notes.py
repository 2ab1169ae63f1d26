"""One line about each run of a list: why it failed, what it waits for, and which events are missing."""

import asyncio
from collections.abc import Sequence
from typing import Final

from agent_runs.reader.event_text import count_text, event_text, origin_text, question_text
from agent_runs.reader.run_source import RunSource
from agent_runs.reader.runs import RunSummary
from agent_runs.status import RunStatus

# The event that says why a run has its status.
_REASONS: Final = {RunStatus.FAILED: "run_failed", RunStatus.WAITING: "run_waiting"}
_CHILDREN: Final = 3  # of a run that a note names


async def run_notes(source: RunSource, runs: Sequence[RunSummary]) -> list[str]:
    """Return one line for each of these runs, not escaped; empty if there is nothing to know."""
    questions: dict[str, list[str]] = {}
    for question in await source.question_lines(runs):
        questions.setdefault(question.run.id, []).append(question_text(question))
    explained = [run for run in runs if run.status in _REASONS and not (_is_waiting(run) and run.id in questions)]
    reasons, children = await asyncio.gather(
        _reasons(source, explained), _children(source, [run for run in runs if _is_waiting(run)])
    )
    return [_note(run, reasons.get(run.id, ""), questions.get(run.id, []) + children.get(run.id, [])) for run in runs]


async def _reasons(source: RunSource, runs: Sequence[RunSummary]) -> dict[str, str]:
    """Return what the last event that explains the status says, by the id of the run."""
    events = await source.last_events([(run, _REASONS[run.status]) for run in runs])
    return {
        run.id: "" if stored is None else event_text(stored.event) for run, stored in zip(runs, events, strict=True)
    }


async def _children(source: RunSource, runs: Sequence[RunSummary]) -> dict[str, list[str]]:
    """Return which children of waiting runs have not ended, by the id of the parent."""
    found = await source.unfinished_children([run.id for run in runs], _CHILDREN) if runs else []
    texts: dict[str, list[str]] = {}
    for child in found:
        texts.setdefault(child.parent_run_id or "", []).append(f"its child {child.id} is {child.status.value}")
    return texts


def _note(run: RunSummary, reason: str, questions: list[str]) -> str:
    notes = [text] if (text := origin_text(run)) else []
    if run.dropped_events:
        notes.append(f"{count_text(run.dropped_events, 'event')} dropped")
    if run.status is RunStatus.FAILED:
        notes.append(reason)
    elif _is_waiting(run) and reason:
        notes.append(f"waits: {reason}")
    return "; ".join([*notes, *questions])


def _is_waiting(run: RunSummary) -> bool:
    return run.status is RunStatus.WAITING
