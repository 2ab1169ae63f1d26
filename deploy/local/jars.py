"""The jars of Kafka and other Java programs: read the lock file, download what is missing, verify every SHA-256."""

import hashlib
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from deploy.local.cache import cache_directory, file_lock
from deploy.local.errors import CorruptJar, DownloadFailed
from deploy.local.progress import progress

LOCK_FILE = Path(__file__).with_name("kafka.lock.toml")

CONNECTIONS = 6  # the round trips are most of the time that a small jar takes
ATTEMPTS = 3
TIMEOUT_S = 30
PARTIAL_PREFIX = ".part-"


@dataclass(frozen=True)
class Jar:
    """One locked artifact: its Maven coordinates and the SHA-256 of its content."""

    group: str
    name: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Its name in a Maven repository and in the cache."""
        return f"{self.name}-{self.version}.jar"


def locked_jars(lock_file: Path = LOCK_FILE) -> list[Jar]:
    """The jars in the lock file: a program such as Kafka, and all its dependencies."""
    entries = tomllib.loads(lock_file.read_text())["dependencies"]
    return [Jar(entry["groupId"], entry["artifactId"], entry["version"], entry["sha256"]) for entry in entries]


def kafka_version(jars: Iterable[Jar] | None = None) -> str:
    """The locked version of Kafka."""
    return next(jar.version for jar in jars or locked_jars() if jar.name.startswith("kafka_"))


def class_path(lock_file: Path = LOCK_FILE) -> list[Path]:
    """The files of the locked jars, for Java's `-cp`. Downloads those that the cache does not have.

    Raises:
        DownloadFailed: a jar could not be downloaded. The jars that were downloaded stay in the cache.
        CorruptJar: the SHA-256 of a file differs from the lock file.
    """
    directory = cache_directory() / "jars"
    jars = locked_jars(lock_file)
    if _missing(jars, directory):
        with file_lock(cache_directory() / "download.lock"):
            # Look again: another process may have downloaded them while this one waited for the lock.
            if missing := _missing(jars, directory):
                _download(missing, directory)
    return [_verified(jar, directory / jar.file_name) for jar in jars]


def _missing(jars: Iterable[Jar], directory: Path) -> list[Jar]:
    return [jar for jar in jars if not (directory / jar.file_name).exists()]


def _verified(jar: Jar, file: Path) -> Path:
    actual = _sha256_of(file)
    if actual != jar.sha256:
        raise CorruptJar(
            f"{file} is not the locked jar: its SHA-256 is {actual}, expected {jar.sha256}; "
            f"delete the file, and the next start downloads it again"
        )
    return file


def _sha256_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _download(jars: Sequence[Jar], directory: Path) -> None:
    """Download the jars into the directory. A jar appears there complete and verified, or not at all.

    The caller holds the download lock: what is left of interrupted downloads is removed first.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for partial in directory.glob(f"{PARTIAL_PREFIX}*"):
        shutil.rmtree(partial)
    with progress(f"{len(jars)} jars, into {directory}", len(jars)) as advance:
        pool = ThreadPoolExecutor(CONNECTIONS)
        try:
            for _ in pool.map(lambda jar: _download_one(jar, directory, advance), jars):
                pass
        finally:
            pool.shutdown(cancel_futures=True)


def _download_one(jar: Jar, directory: Path, advance: Callable[[], None]) -> None:
    # Into a directory of its own, then renamed: a truncated file must never look like a jar.
    with tempfile.TemporaryDirectory(dir=directory, prefix=PARTIAL_PREFIX) as partial:
        file = _resolve(jar, Path(partial))
        actual = _sha256_of(file)
        if actual != jar.sha256:
            raise CorruptJar(
                f"the downloaded {jar.file_name} is not the locked jar: its SHA-256 is {actual}, expected "
                f"{jar.sha256}; try again, and if it happens again, report it to the operator of your proxy or mirror"
            )
        file.replace(directory / jar.file_name)
    advance()


def _resolve(jar: Jar, repository: Path) -> Path:
    # Imported here: the HTTP and Maven packages take longer to import than everything else, and are rarely needed.
    import requests  # noqa: PLC0415
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415

    context = MavenContext(repo_cache=repository, resolver=PythonResolver(), timeout=TIMEOUT_S)
    artifact = context.project(jar.group, jar.name).at_version(jar.version).artifact()
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return artifact.resolve()
        except (requests.RequestException, RuntimeError, OSError) as failure:
            for partial in repository.rglob(jar.file_name):
                partial.unlink()
            if attempt == ATTEMPTS:
                raise DownloadFailed(
                    f"could not download {jar.group}:{jar.name}:{jar.version}: {failure}\n"
                    f"Run the command again: the jars downloaded so far are kept. Behind a proxy set HTTPS_PROXY, and "
                    f"REQUESTS_CA_BUNDLE if the proxy has a certificate of its own."
                ) from failure
    raise AssertionError("the last attempt returns or raises")
