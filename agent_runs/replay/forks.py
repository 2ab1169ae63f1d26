"""Loads the recording that a fork goes on from."""

from typing import Any

from agent_runs.reader import RunSource
from agent_runs.replay.origins import fork_origin
from agent_runs.replay.recording import Recording


async def load_fork(source: RunSource, run_id: str, **options: Any) -> Recording:
    """Return the recording of the run that a fork comes from, up to the event of the fork.

    Args:
        source: a `Reader` or a `RunFile`.
        run_id: the fork, such as `agent-runs fork` prints it.
        options: as for `Recording`.

    Raises:
        ValueError: the run is not stored, or is not a fork.
    """
    origin = fork_origin([event async for event in source.get_run_events(run_id, types=["run_started"])])
    if origin is None:
        raise ValueError(f"the run {run_id!r} is not stored, or is not a fork")
    return await Recording.load(source, origin.run_id, until=origin.until, **options)
