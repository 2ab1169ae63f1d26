"""PostgreSQL servers of other versions."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.local import PostgreSQL
from tests.matrix.row import Absent, Environment
from tests.support.servers.postgresql_versions import (
    DOWNLOADABLE,
    SETTING,
    can_download,
    downloaded_binaries,
    has_lz4,
    installed_binaries,
    version_of,
)


def with_postgresql(major: int, *, lz4: bool) -> Callable[[], AbstractContextManager[Environment]]:
    """Return what opens a server of this version; the tests make their databases on it."""

    @contextmanager
    def opened() -> Iterator[Environment]:
        with TemporaryDirectory(prefix="agent-runs-matrix-") as directory:
            binaries = _find(major, lz4, Path(directory))
            with PostgreSQL(Path(directory) / "server", durable=False, binaries=binaries) as server:
                compression = "with LZ4" if has_lz4(binaries) else "without LZ4"
                versions = (f"PostgreSQL {version_of(binaries)} {compression}",)
                yield Environment(settings={"DATABASE_URL": server.url}, versions=versions)

    return opened


def _find(major: int, lz4: bool, directory: Path) -> Path:
    for version, binaries in installed_binaries().items():
        if version.partition(".")[0] == str(major) and has_lz4(binaries) == lz4:
            return binaries
    if major in DOWNLOADABLE and not lz4 and can_download():
        return downloaded_binaries(major, directory)
    raise Absent(
        f"PostgreSQL {major} {'with' if lz4 else 'without'} LZ4 is not installed; install it, for instance Debian's "
        f"package postgresql-{major}, or name the directory of its programs in {SETTING}."
    )
