"""A cluster of three brokers. It needs about 1.2 GB of memory and 15 seconds to start."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from confluent_kafka.admin import AdminClient

from deploy.local import Kafka
from deploy.local.kafka import new_cluster_id
from deploy.local.ports import HOST, free_port

NODES = (1, 2, 3)
ANSWER_S = 30.0
REPLICATED = {
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "share.coordinator.state.topic.replication.factor": "3",
}


class Cluster:
    """Each node is broker and controller. Two of them must be up for a quorum."""

    def __init__(self, directory: Path) -> None:
        plain = {node: free_port() for node in NODES}
        controllers = {node: free_port() for node in NODES}
        voters = ",".join(f"{node}@{HOST}:{controllers[node]}" for node in NODES)
        cluster_id = new_cluster_id()
        self.nodes = {
            node: Kafka(
                directory / f"node-{node}",
                plain[node],
                {
                    **REPLICATED,
                    "node.id": str(node),
                    "listeners": f"PLAINTEXT://{HOST}:{plain[node]},CONTROLLER://{HOST}:{controllers[node]}",
                    "controller.quorum.voters": voters,
                },
                cluster_id,
                fast_start=True,
            )
            for node in NODES
        }
        self.bootstrap_servers = ",".join(f"{HOST}:{port}" for port in plain.values())

    def start(self, *nodes: int) -> None:
        """Start these nodes, or all of them; in parallel, because none of them answers before two are up."""
        _in_parallel(self.nodes[node].start for node in nodes or NODES)

    def kill(self, *nodes: int) -> None:
        """Send SIGKILL to these nodes, or to all of them."""
        _in_parallel(self.nodes[node].kill for node in nodes or NODES)

    @property
    def down(self) -> list[int]:
        """The ids of the nodes that do not run."""
        return [number for number, node in self.nodes.items() if node.pid is None]

    def leader(self, topic: str) -> int:
        """The leader of the topic's first partition; -1 while there is none."""
        return int(self._partition(topic).leader)

    def in_sync(self, topic: str) -> set[int]:
        """The in-sync replicas of the topic's first partition."""
        return set(self._partition(topic).isrs)

    def replicas(self, topic: str) -> set[int]:
        """The replicas of the topic's first partition, in sync or not."""
        return set(self._partition(topic).replicas)

    def coordinator(self, group: str) -> int:
        """The coordinator of a consumer group."""
        admin = self._admin()  # kept in a variable: a client that is garbage-collected never answers
        (answer,) = admin.describe_consumer_groups([group], request_timeout=ANSWER_S).values()
        return int(answer.result(ANSWER_S).coordinator.id)

    def _partition(self, topic: str):  # type: ignore[no-untyped-def]
        return self._admin().list_topics(topic, timeout=ANSWER_S).topics[topic].partitions[0]

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})


def _in_parallel(work: Iterable[Callable[[], None]]) -> None:
    with ThreadPoolExecutor(len(NODES)) as threads:
        for future in [threads.submit(function) for function in work]:
            future.result()
