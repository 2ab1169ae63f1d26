"""Where downloads are kept, shared by all checkouts of a user."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


def cache_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """`AGENT_RUNS_CACHE` if set, else `agent-runs` below the user's cache directory (XDG)."""
    if chosen := environment.get("AGENT_RUNS_CACHE"):
        return Path(chosen).absolute()
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "agent-runs"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file as a lock between processes; waits for it. A holder that is killed lets go of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
