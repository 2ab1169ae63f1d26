"""Jars, Kafka's first of all: what a lock file names, in the cache, checked."""

import hashlib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deploy.local.cache import cache_directory, locked
from deploy.local.errors import CorruptJar

LOCK_FILE = Path(__file__).with_name("kafka.lock.toml")


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
    """The jars that the lock file names: a program, such as Kafka, and all that it needs."""
    entries = tomllib.loads(lock_file.read_text())["dependencies"]
    return [Jar(entry["groupId"], entry["artifactId"], entry["version"], entry["sha256"]) for entry in entries]


def kafka_version(jars: Iterable[Jar] | None = None) -> str:
    """The version of Kafka that is locked."""
    return next(jar.version for jar in jars or locked_jars() if jar.name.startswith("kafka_"))


def class_path(lock_file: Path = LOCK_FILE) -> list[Path]:
    """The jars' files. Downloads those that are missing.

    Raises:
        DownloadFailed: one could not be fetched; those that could be are kept.
        CorruptJar: a file is not what the lock file names.
    """
    directory = cache_directory() / "jars"
    jars = locked_jars(lock_file)
    if _missing(jars, directory):
        # Only when it is needed: the HTTP and Maven packages take longer to import than all the rest.
        from deploy.local.download import download  # noqa: PLC0415

        with locked(cache_directory() / "download.lock"):
            if missing := _missing(jars, directory):  # as it is now: while we waited another process may have come
                download(missing, directory)
    return [checked(jar, directory / jar.file_name) for jar in jars]


def checked(jar: Jar, file: Path) -> Path:
    """The file, if it holds the jar that was locked. Raises CorruptJar else."""
    actual = sha256_of(file)
    if actual != jar.sha256:
        raise CorruptJar(
            f"{file} is not the jar that was locked: its SHA-256 is {actual}, expected {jar.sha256}; "
            f"delete the file to have it downloaded again"
        )
    return file


def sha256_of(file: Path) -> str:
    """The SHA-256 of the file's content, in hex."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _missing(jars: Iterable[Jar], directory: Path) -> list[Jar]:
    return [jar for jar in jars if not (directory / jar.file_name).exists()]
