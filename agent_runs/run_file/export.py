"""Writes runs from a `Reader`, or from another `RunFile`, to a run file."""

from collections.abc import Sequence
from typing import BinaryIO, Final

from agent_runs.reader import RunSource, RunSummary
from agent_runs.run_file.errors import RunNotFound, TooManyRuns
from agent_runs.run_file.writer import RunWriter

MAX_DESCENDANTS: Final = 100_000


async def export_runs(source: RunSource, run_ids: Sequence[str], file: BinaryIO) -> int:
    """Write runs to a file, in the order of their ids, and return the number of events written.

    Needs memory for one page of events. Exporting a run twice writes equal bytes, unless events were added meanwhile.

    Args:
        source: where the runs are.
        run_ids: the runs. An id that is repeated counts once.
        file: a binary file.

    Raises:
        RunNotFound: there is no such run; then nothing was written.
        ReaderError: the source could not be read; then the file is incomplete, and reading it fails.
    """
    runs = [await _summary(source, run_id) for run_id in dict.fromkeys(run_ids)]
    for run, following in zip(runs, [*runs[1:], None], strict=True):
        writer = RunWriter(file, run)
        async for event in source.get_run_events(run.id, until=run.event_count - 1):
            writer.write(event)
        writer.end(following.id if following else None)
    return sum(run.event_count for run in runs)


async def _summary(source: RunSource, run_id: str) -> RunSummary:
    run = await source.get_summary(run_id)
    if run is None:
        raise RunNotFound(run_id)
    return run


async def with_descendants(source: RunSource, run_ids: Sequence[str]) -> list[str]:
    """Return the runs and all runs that they spawned, each once: a run before its children, the oldest child first.

    Raises:
        RunNotFound: there is no such run.
        TooManyRuns: a run has more descendants than a tree may have.
    """
    found: dict[str, None] = {}
    for run_id in run_ids:
        tree = await source.get_tree(run_id, limit=MAX_DESCENDANTS)
        if tree is None:
            raise RunNotFound(run_id)
        if not tree.is_complete:
            raise TooManyRuns(run_id, MAX_DESCENDANTS)
        found |= dict.fromkeys(node.run.id for node in tree.nodes)
    return list(found)
