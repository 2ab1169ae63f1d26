"""Fetch jars into the cache: the only file that needs the network."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from jgo.maven import MavenContext, PythonResolver

from deploy.local.errors import CorruptJar, DownloadFailed
from deploy.local.jars import Jar, sha256_of
from deploy.local.progress import progress

CONNECTIONS = 6  # round trips are most of the time of a small jar
ATTEMPTS = 3
TIMEOUT_S = 30
PART = ".part-"


def download(jars: Sequence[Jar], directory: Path) -> None:
    """Fetch the jars into the directory. Each appears there whole and checked; a second run goes on with the rest.

    One process at a time: what unfinished downloads have left there is removed.

    Raises:
        DownloadFailed: one could not be fetched.
        CorruptJar: something else came than was locked.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for left in directory.glob(f"{PART}*"):
        shutil.rmtree(left)
    with progress(f"{len(jars)} jars, into {directory}", len(jars)) as advance:
        pool = ThreadPoolExecutor(CONNECTIONS)
        try:
            for _ in pool.map(lambda jar: _fetch(jar, directory, advance), jars):
                pass
        finally:
            pool.shutdown(cancel_futures=True)


def _fetch(jar: Jar, directory: Path, advance: Callable[[], None]) -> None:
    # On its way it lies in a directory of its own: a file that was cut off must never be taken for a jar.
    with tempfile.TemporaryDirectory(dir=directory, prefix=PART) as part:
        file = _resolve(jar, Path(part))
        actual = sha256_of(file)
        if actual != jar.sha256:
            raise CorruptJar(
                f"what came as {jar.file_name} is not the jar that was locked: its SHA-256 is {actual}, expected "
                f"{jar.sha256}; try again, and ask who runs your proxy or mirror if it stays so"
            )
        file.replace(directory / jar.file_name)
    advance()


def _resolve(jar: Jar, repository: Path) -> Path:
    context = MavenContext(repo_cache=repository, resolver=PythonResolver(), timeout=TIMEOUT_S)
    artifact = context.project(jar.group, jar.name).at_version(jar.version).artifact()
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return artifact.resolve()
        except (requests.RequestException, RuntimeError, OSError) as failure:
            for unfinished in repository.rglob(jar.file_name):
                unfinished.unlink()
            if attempt == ATTEMPTS:
                raise DownloadFailed(
                    f"could not download {jar.group}:{jar.name}:{jar.version}: {failure}\n"
                    f"What has arrived is kept: run the same again to go on. Behind a proxy set HTTPS_PROXY, with a "
                    f"certificate of its own REQUESTS_CA_BUNDLE."
                ) from failure
    raise AssertionError("the last attempt returns or raises")
