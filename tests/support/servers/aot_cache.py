"""Writes the ahead-of-time cache of Kafka's JVM. It halves the processor time of a start; a test run has about 40."""

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from deploy.local import Kafka, LocalStackError
from deploy.local.cache import file_lock
from deploy.local.kafka import aot_cache


class _Recorded(Kafka):
    """A Kafka whose JVM writes the cache when it stops."""

    stop_timeout_s: ClassVar[float] = 120

    def __init__(self, directory: Path, cache: Path) -> None:
        super().__init__(directory, fast_start=True)
        self._cache = cache

    def _command(self) -> list[str]:
        java, *arguments = super()._command()
        return [java, f"-XX:AOTCacheOutput={self._cache}", *arguments]


def write_aot_cache() -> None:
    """Start and stop a Kafka to write the cache, unless there is one. If that fails, the servers start without it."""
    target = aot_cache()
    with suppress(OSError, LocalStackError), file_lock(target.with_suffix(".lock")):
        if target.exists():
            return
        with TemporaryDirectory(dir=target.parent) as directory:
            written = Path(directory) / target.name
            with _Recorded(Path(directory) / "kafka", written):
                pass
            written.replace(target)
