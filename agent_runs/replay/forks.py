"""Loads the recording that a fork continues from, and makes the event that shows its history."""

from collections import deque
from collections.abc import AsyncIterable
from typing import Any, Final

from agent_runs.codec import strict_json
from agent_runs.reader import RunSource, StoredEvent
from agent_runs.replay.origins import fork_origin
from agent_runs.replay.recording import Recording

_HISTORY_BYTES: Final = 512 * 1024  # a topic takes messages of 1 MiB by default


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


async def history_fields(run_id: str, until: int, events: AsyncIterable[StoredEvent]) -> dict[str, Any]:
    """Return the fields of a `context_assembled`: the events of the run that a fork comes from, as in a run file.

    At most 512 KiB of them, the newest ones; `left_out` says how many others there are.

    Args:
        run_id: the run that the fork comes from.
        until: the number of its last event that the fork has.
        events: its events up to this one.
    """
    kept: deque[bytes] = deque()
    size = left_out = 0
    async for stored in events:
        kept.append(stored.to_json())
        size += len(kept[-1])
        while size > _HISTORY_BYTES:
            size -= len(kept.popleft())
            left_out += 1
    history = {"forked_from": run_id, "forked_until": until, "events": [strict_json.parse(line) for line in kept]}
    return {"type": "context_assembled", "context": history | ({"left_out": left_out} if left_out else {})}
