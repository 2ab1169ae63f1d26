"""Writes a run that was recorded in memory to a run file."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from agent_runs.events import Event
from agent_runs.reader import RunSummary, StoredEvent
from agent_runs.run_file.writer import RunWriter
from agent_runs.status import RunStatus

_AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


def write_run(path: Path, run_id: str, events: Sequence[Event], *, has_raw: bool = False) -> Path:
    """Write one run with its events, and return the path of the file.

    Args:
        path: the file.
        run_id: the run.
        events: its events.
        has_raw: each event has the exact message, too, as those have that JSONB cannot store.
    """
    summary = RunSummary(
        id=run_id,
        agent="agent",
        status=RunStatus.RUNNING,
        created_at=_AT,
        updated_at=_AT,
        status_changed_at=_AT,
        event_count=len(events),
    )
    with path.open("wb") as file:
        writer = RunWriter(file, summary)
        for seq, event in enumerate(events):
            writer.write(
                StoredEvent(
                    seq=seq,
                    created_at=_AT,
                    partition=0,
                    offset=seq,
                    event=event,
                    raw=event.original if has_raw else None,
                )
            )
        writer.end()
    return path
