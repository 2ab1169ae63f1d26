"""Lock another version of Kafka: `python -m deploy.local.lock 4.2.2`, then commit the file that it writes."""

import sys
from pathlib import Path

from jgo.env import LockFile
from jgo.maven import MavenContext, PythonResolver

from deploy.local.cache import cache_directory
from deploy.local.jars import LOCK_FILE

# Without a logger behind slf4j a broker that cannot start ends without a word.
COORDINATES = ("org.apache.kafka:kafka_2.13:{version}", "org.slf4j:slf4j-simple:1.7.36")


def lock(version: str, lock_file: Path = LOCK_FILE) -> None:
    """Resolve Kafka of that version with all that it needs, and write down what it is."""
    context = MavenContext(repo_cache=cache_directory() / "resolved", resolver=PythonResolver())
    wanted = [context.create_dependency(coordinates.format(version=version)) for coordinates in COORDINATES]
    inputs, transitive = context.resolver.resolve(wanted)
    in_order = sorted(inputs + transitive, key=lambda dependency: str(dependency.artifact))
    LockFile.from_resolved_dependencies(in_order, environment_name="kafka").save(lock_file)


if __name__ == "__main__":
    lock(sys.argv[1])
