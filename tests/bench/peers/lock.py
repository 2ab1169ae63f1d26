"""Locks other versions of Kafka Connect, Debezium and the PostgreSQL driver.

`python -m tests.bench.peers.lock 4.2.2 3.5.0.Final 42.7.7` writes both lock files; then commit them.
"""

import sys
from pathlib import Path

from deploy.local.lock import lock

CONNECT = Path(__file__).with_name("connect.lock.toml")
DEBEZIUM = Path(__file__).with_name("debezium.lock.toml")

_OTHER_DATABASES = ("com.microsoft.", "com.mysql:", "com.oracle.", "org.mariadb.")
# Kafka Connect contains these. There must be only one Jackson: with two, Connect passes JSON trees to the sink whose
# class is not the class that the sink has loaded.
_PART_OF_CONNECT = (
    "com.fasterxml.jackson.",
    "com.github.luben:",
    "org.apache.kafka:",
    "org.lz4:",
    "org.slf4j:",
    "org.xerial.",
)


def main(connect: str, debezium: str, driver: str) -> None:
    """Write both lock files."""
    worker = [f"org.apache.kafka:connect-{part}:{connect}" for part in ("runtime", "json")]
    lock([*worker, "org.slf4j:slf4j-simple:1.7.36"], "connect", CONNECT)
    plugin = [f"io.debezium:debezium-connector-jdbc:{debezium}", f"org.postgresql:postgresql:{driver}"]
    lock(plugin, "debezium", DEBEZIUM, _OTHER_DATABASES + _PART_OF_CONNECT)


if __name__ == "__main__":
    main(*sys.argv[1:])
