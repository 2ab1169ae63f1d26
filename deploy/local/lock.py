"""Lock another version of Kafka: `python -m deploy.local.lock 4.2.2`, then commit the file that it writes."""

import sys
from collections.abc import Iterable
from pathlib import Path

from jgo.env import LockFile
from jgo.maven import MavenContext, PythonResolver

from deploy.local.cache import cache_directory
from deploy.local.jars import LOCK_FILE

# Without a logger behind slf4j a broker that cannot start ends without a word.
COORDINATES = ("org.apache.kafka:kafka_2.13:{version}", "org.slf4j:slf4j-simple:1.7.36")


def lock(coordinates: Iterable[str], name: str, lock_file: Path, unwanted: tuple[str, ...] = ()) -> None:
    """Resolve what the Maven coordinates name with all that it needs, and write it down; but not what begins so."""
    context = MavenContext(repo_cache=cache_directory() / "resolved", resolver=PythonResolver())
    inputs, transitive = context.resolver.resolve([context.create_dependency(each) for each in coordinates])
    chosen = [dependency for dependency in inputs + transitive if not str(dependency.artifact).startswith(unwanted)]
    in_order = sorted(chosen, key=lambda dependency: str(dependency.artifact))
    LockFile.from_resolved_dependencies(in_order, environment_name=name).save(lock_file)


if __name__ == "__main__":
    lock((each.format(version=sys.argv[1]) for each in COORDINATES), "kafka", LOCK_FILE)
