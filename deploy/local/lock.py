"""Lock another version of Kafka: run `python -m deploy.local.lock 4.2.2`, then commit the file that it writes."""

import sys
from collections.abc import Iterable
from pathlib import Path

from jgo.env import LockFile
from jgo.maven import MavenContext, PythonResolver

from deploy.local.cache import cache_directory
from deploy.local.jars import LOCK_FILE

# slf4j-simple: without a logging backend a broker that cannot start prints no reason.
COORDINATES = ("org.apache.kafka:kafka_2.13:{version}", "org.slf4j:slf4j-simple:1.7.36")


def lock(coordinates: Iterable[str], name: str, lock_file: Path, excluded: tuple[str, ...] = ()) -> None:
    """Resolve Maven coordinates with all their dependencies, and write the lock file.

    Args:
        coordinates: `group:artifact:version` of each program.
        name: the name of the environment in the lock file.
        lock_file: where to write.
        excluded: artifacts whose coordinates start with one of these are left out.
    """
    context = MavenContext(repo_cache=cache_directory() / "resolved", resolver=PythonResolver())
    inputs, transitive = context.resolver.resolve([context.create_dependency(each) for each in coordinates])
    chosen = [dependency for dependency in inputs + transitive if not str(dependency.artifact).startswith(excluded)]
    in_order = sorted(chosen, key=lambda dependency: str(dependency.artifact))
    LockFile.from_resolved_dependencies(in_order, environment_name=name).save(lock_file)


if __name__ == "__main__":
    lock((each.format(version=sys.argv[1]) for each in COORDINATES), "kafka", LOCK_FILE)
