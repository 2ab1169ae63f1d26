"""A row of the matrix, and what its tests run with."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version


class Absent(Exception):
    """The machine lacks what a row needs. The message is a sentence: what is missing, and how to install it."""


@dataclass(frozen=True)
class Environment:
    """What the tests of a row run with.

    Attributes:
        python: the interpreter that runs pytest.
        settings: added to the environment of the tests.
        versions: the names and versions of what the row is about, besides those of its packages.
    """

    python: str = sys.executable
    settings: Mapping[str, str] = field(default_factory=dict)
    versions: tuple[str, ...] = ()


@contextmanager
def this_environment() -> Iterator[Environment]:
    """The interpreter that runs the matrix, and the servers of all rows."""
    yield Environment()


@dataclass(frozen=True)
class Row:
    """One environment.

    Attributes:
        name: unique; for `--only`.
        tried: what the tests do, for the table.
        tests: arguments of pytest: files, or single tests.
        packages: must be installed; their versions are in the table.
        open: yields what the tests run with, until the end of the block. Raises `Absent`.
    """

    name: str
    tried: str
    tests: tuple[str, ...]
    packages: tuple[str, ...] = ()
    open: Callable[[], AbstractContextManager[Environment]] = this_environment

    def package_versions(self) -> tuple[str, ...]:
        """The names and versions of the packages.

        Raises:
            Absent: a package is not installed.
        """
        return tuple(f"{name} {_installed_version(name)}" for name in self.packages)


def _installed_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        raise Absent(f"The package {package} is not installed; `make matrix` installs it.") from None
