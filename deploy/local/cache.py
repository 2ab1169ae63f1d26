"""The download cache, shared by all checkouts of a user, and a lock between processes."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


def cache_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """`AGENT_RUNS_CACHE` if set, else `agent-runs` in the user's cache directory (XDG)."""
    if chosen := environment.get("AGENT_RUNS_CACHE"):
        return Path(chosen).absolute()
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "agent-runs"


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file; wait until it is free. The kernel releases it when the holder is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
