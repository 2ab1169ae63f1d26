"""Writes runs from a `Reader`, or from another `RunFile`, to a run file."""

from collections.abc import Sequence
from typing import BinaryIO, Final

from agent_runs.reader import RunSource, RunSummary
from agent_runs.run_file.errors import RunNotFound, TooManyRuns
from agent_runs.run_file.writer import RunWriter

MAX_DESCENDANTS: Final = 100_000
_BATCH_RUNS: Final = 500  # whose rows are read together


async def export_runs(source: RunSource, run_ids: Sequence[str], file: BinaryIO) -> int:
    """Write runs to a file, in the order of their ids, and return the number of events written.

    Needs memory for 500 runs without their events, and for a page of events, which it reads together. Exporting a run
    twice writes equal bytes, unless events were added meanwhile.

    Args:
        source: where the runs are.
        run_ids: the runs. An id that is repeated counts once.
        file: a binary file.

    Raises:
        RunNotFound: there is no such run; then nothing was written, unless the run was deleted meanwhile.
        ReaderError: the source could not be read; then the file is incomplete, and reading it fails.
    """
    wanted = list(dict.fromkeys(run_ids))
    batches = [wanted[start : start + _BATCH_RUNS] for start in range(0, len(wanted), _BATCH_RUNS)]
    if len(batches) > 1:
        for batch in batches:
            await _summaries(source, batch)
    count = 0
    firsts = [batch[0] for batch in batches]
    for batch, following in zip(batches, [*firsts[1:], None], strict=True):
        runs = await _summaries(source, batch)
        await _write(source, runs, following, file)
        count += sum(run.event_count for run in runs)
    return count


async def _summaries(source: RunSource, run_ids: Sequence[str]) -> list[RunSummary]:
    """Return runs without their events, in the order of their ids.

    Raises:
        RunNotFound: one does not exist.
    """
    found = await source.get_summaries(run_ids)
    for run_id in run_ids:
        if run_id not in found:
            raise RunNotFound(run_id)
    return [found[run_id] for run_id in run_ids]


async def _write(source: RunSource, runs: Sequence[RunSummary], following: str | None, file: BinaryIO) -> None:
    """Write runs; `following` is the id of the run that is written after them."""
    events = aiter(source.events_of_runs(runs))
    event = await anext(events, None)
    for run, next_run_id in zip(runs, [*(run.id for run in runs[1:]), following], strict=True):
        writer = RunWriter(file, run)
        while event is not None and event.run_id == run.id:
            writer.write(event.stored)
            event = await anext(events, None)
        writer.end(next_run_id)


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
