"""Run files as test data: finds the recorded runs, loads them, and records runs of an agent that makes its calls."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import reduce
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Literal

from agent_runs.codec.decode import decode_stored_event
from agent_runs.events import Event, RunStarted
from agent_runs.reader import RunSummary, StoredEvent
from agent_runs.reader.sync_reader import SyncRunSource
from agent_runs.replay.recording import Recording
from agent_runs.replay.requests import Request
from agent_runs.run_file import RunFile
from agent_runs.run_file.writer import RunWriter
from agent_runs.status import RunState, fold

_START: Final = datetime(2000, 1, 1, tzinfo=UTC)  # of every recorded file, so that a new recording changes few lines


def root_runs(path: Path) -> list[str]:
    """Return the ids of the runs of a file, without those whose parent is in the file too."""
    with SyncRunSource(RunFile(path)) as source:
        ids = source.source.run_ids
        runs = [source.get_summary(run_id) for run_id in ids]
    return [run.id for run in runs if run is not None and run.parent_run_id not in ids]


def load_recording(path: Path, run_id: str, options: Mapping[str, Any]) -> Recording:
    """Return the recording of a run of a file, with those of its child runs."""
    with SyncRunSource(RunFile(path)) as source:
        return source.wait_for(Recording.load(source.source, run_id, **options))


class LiveRecording(Recording):
    """Lets the agent make every call, and returns the recorded inputs: for recording a run again."""

    def run_fields(self) -> dict[str, Any]:
        """Return no fields: the run is not a replay."""
        return {}

    def child(self, agent_id: str) -> "LiveRecording":  # noqa: ARG002
        """Let child runs make every call too."""
        return self

    def ran(self, kind: Literal["llm", "tool"], fields: Mapping[str, Any]) -> None:
        """Do nothing."""

    def _answer(self, request: Request, call: Callable[[], Any] | None) -> Any:
        if call is None:
            raise ValueError(f"the agent asked for {request.text} without `call=`, so it cannot be recorded")
        return call()


# By run, the JSON messages of its events.
Messages = Mapping[str, list[bytes]]


def write_recorded(path: Path, messages: Messages) -> None:
    """Write runs to a file, so that a review shows what the agent does differently, and nothing else.

    Ids are numbers, times count from the year 2000, and durations are left out. A file with the same content is not
    touched.
    """
    names = {run_id: path.stem if number == 0 else f"{path.stem}-{number}" for number, run_id in enumerate(messages)}
    runs = [
        (names[run_id], [_stored(seq, event) for seq, event in enumerate(_renamed(values, names[run_id], names))])
        for run_id, values in messages.items()
    ]
    file = BytesIO()
    for number, (run_id, events) in enumerate(runs):
        writer = RunWriter(file, _summary(run_id, [stored.event for stored in events]))
        for event in events:
            writer.write(event)
        writer.end(runs[number + 1][0] if number + 1 < len(runs) else None)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_bytes() != file.getvalue():
        path.write_bytes(file.getvalue())


def _renamed(values: list[bytes], run_id: str, names: Mapping[str, str]) -> Iterator[bytes]:
    """Return the messages of a run with numbers for ids and times, and without durations."""
    messages = [json.loads(value) for value in values]
    ids = {message["id"]: f"{run_id}.{seq}" for seq, message in enumerate(messages)}
    for seq, message in enumerate(messages):
        message["id"] = ids[message["id"]]
        message["timestamp"] = (_START + timedelta(seconds=seq)).isoformat()
        message.pop("duration_ms", None)
        for field, renamed in (("parent_event_id", ids), ("parent_run_id", names)):
            if message.get(field) in renamed:
                message[field] = renamed[message[field]]
        yield _encoded(message)


def _encoded(message: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # a lone surrogate
        return json.dumps(message, separators=(",", ":")).encode()


def _stored(seq: int, message: bytes) -> StoredEvent:
    event = decode_stored_event(message)
    # As PostgreSQL's JSONB cannot hold them, a message with lone surrogates or NULs is also stored as its bytes.
    raw = message if b"\\u" in message else None
    return StoredEvent(seq=seq, created_at=event.timestamp, partition=0, offset=seq, event=event, raw=raw)


def _summary(run_id: str, events: list[Any]) -> RunSummary:
    started: Event | None = next((event for event in events if isinstance(event, RunStarted)), None)
    state = reduce(fold, events, RunState())
    return RunSummary(
        id=run_id,
        parent_run_id=getattr(started, "parent_run_id", None),
        agent=getattr(started, "agent_id", "unknown"),
        session_id=getattr(started, "session_id", None),
        created_at=_START,
        updated_at=events[-1].timestamp,
        status=state.status,
        event_count=len(events),
        status_changed_at=events[-1].timestamp,
        started_at=_START if started else None,
        open_questions=list(state.open_questions),
        labels=getattr(started, "labels", None) or {},
    )
