"""What a reader of a list wants to know about each run: why it failed, what it waits for, what is missing."""

import asyncio
from collections.abc import Sequence
from typing import Final

from agent_runs.reader.event_text import count_text, event_text, origin_text, question_text
from agent_runs.reader.run_source import RunSource
from agent_runs.reader.runs import RunSummary
from agent_runs.status import RunStatus

_LAST_EVENTS: Final = 100


async def run_notes(source: RunSource, runs: Sequence[RunSummary]) -> list[str]:
    """Return one line for each of these runs, not escaped; empty if there is nothing to know."""
    questions: dict[str, list[str]] = {}
    for question in await source.question_lines(runs):
        questions.setdefault(question.run.id, []).append(question_text(question))
    return await asyncio.gather(*(_note(source, run, questions.get(run.id, [])) for run in runs))


async def failure_text(source: RunSource, run: RunSummary) -> str:
    """Return why a failed run failed, not escaped; empty if its `run_failed` is not stored."""
    return await _last_text(source, run, "run_failed")


async def _note(source: RunSource, run: RunSummary, questions: list[str]) -> str:
    notes = [text] if (text := origin_text(run)) else []
    if run.dropped_events:
        notes.append(f"{count_text(run.dropped_events, 'event')} dropped")
    if run.status is RunStatus.FAILED:
        notes.append(await failure_text(source, run))
    elif run.status is RunStatus.WAITING and not questions:
        reason = await _last_text(source, run, "run_waiting")
        notes += [f"waits: {reason}"] if reason else []
    return "; ".join([*notes, *questions])


async def _last_text(source: RunSource, run: RunSummary, type: str) -> str:
    """Return what the last event of a type says, which is nearly always among the last events of the run."""
    for after in (max(-1, run.event_count - _LAST_EVENTS - 1), -1):
        found = [event async for event in source.get_run_events(run.id, after=after, types=[type])]
        if found:
            return event_text(found[-1].event)
    return ""
