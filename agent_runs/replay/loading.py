"""Loads the recording of a stored run, with the recordings of its child runs."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agent_runs.reader import RunSource, RunSummary
from agent_runs.reader.sync_reader import SyncRunSource

if TYPE_CHECKING:
    from agent_runs.replay.recording import Recording


async def load_recording(
    recording_class: "type[Recording]",
    source: RunSource | SyncRunSource[Any],
    run_ids: Sequence[str],
    options: Mapping[str, Any],
) -> Any:
    """Return one recording of runs of the same agent, with those of their child runs, by agent.

    Args:
        recording_class: `Recording`.
        source: where the runs are.
        run_ids: one run; or several, which run in parallel.
        options: for the constructor. `until` is not used for child runs.

    Raises:
        TypeError: the source is one for synchronous code.
        ValueError: a run is not stored.
    """
    if isinstance(source, SyncRunSource):
        raise TypeError("`load` takes a Reader or a RunFile; with a SyncReader, call `Recording.load_sync`")
    return await _load(recording_class, source, run_ids, options, set())


async def _load(
    recording_class: "type[Recording]",
    source: RunSource,
    run_ids: Sequence[str],
    options: Mapping[str, Any],
    seen: set[str],
) -> Any:
    seen.update(run_ids)  # producers may report a circle of parents
    events = [event for run_id in run_ids async for event in source.get_run_events(run_id)]
    if not events:
        raise ValueError(f"the run {run_ids[0]!r} is not stored")
    recording = recording_class(events, run_id=run_ids[0] if len(run_ids) == 1 else run_ids, **options)
    children: dict[str, list[str]] = defaultdict(list)
    for run_id in run_ids:
        for child in await _children(source, run_id):
            if child.id not in seen:
                children[child.agent].append(child.id)
    further = {name: value for name, value in options.items() if name != "until"}
    for agent, child_ids in children.items():
        recording.children[agent] = await _load(recording_class, source, child_ids, further, seen)
    return recording


async def _children(source: RunSource, run_id: str) -> list[RunSummary]:
    """Return the child runs of a run, the oldest first."""
    found: list[RunSummary] = []
    cursor: str | None = None
    while True:
        page = await source.get_children(run_id, cursor=cursor)
        found += page.runs
        cursor = page.cursor
        if cursor is None:
            return found[::-1]
