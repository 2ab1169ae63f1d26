"""Creates the Kafka client of a group member."""

from collections.abc import Iterable
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata

from agent_runs.settings import KafkaSettings
from consumer.kafka.client_options import client_options
from consumer.kafka.throttled_consumer import ThrottledConsumer
from consumer.model.members import encode_token
from consumer.settings import CLIENT_ID, TopicConfig

_FETCH_MAX_WAIT_MS: Final = 50
_PARTITIONS_PER_FETCH: Final = 4


class _Assignor(RoundRobinPartitionAssignor):  # type: ignore[misc]  # the client has no types
    """The client's default assignor. The member also sends the token of its process to the coordinator."""

    def __init__(self, token: int | None) -> None:
        self._user_data = b"" if token is None else encode_token(token)

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """Return what the member sends when it joins."""
        return ConsumerProtocolMemberMetadata(self.version, list(topics), self._user_data)


def group_client(kafka: KafkaSettings, config: TopicConfig, token: int | None) -> AIOKafkaConsumer:
    """Return a client for one member of the consumer group. It is not connected yet.

    `token` identifies the process for the other members of the group; None for a member without one.
    """
    session_ms = int(config.session_timeout_s * 1000)
    return ThrottledConsumer(
        **client_options(kafka, CLIENT_ID),
        group_id=config.group,
        group_instance_id=config.group_instance_id,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        partition_assignment_strategy=(_Assignor(token),),
        max_partition_fetch_bytes=config.fetch_bytes,
        # A broker answers the requests of a connection one after the other. A fetch of partitions without new
        # records delays the next fetch of a busy one by this; Kafka's default is half a second.
        fetch_max_wait_ms=_FETCH_MAX_WAIT_MS,
        # The client holds a response three times while it parses it: this bounds the size of one response.
        fetch_max_bytes=_PARTITIONS_PER_FETCH * config.fetch_bytes,
        session_timeout_ms=session_ms,
        heartbeat_interval_ms=max(100, session_ms // 20),  # how soon a member learns of a join or a leave
        rebalance_timeout_ms=max(session_ms, 10_000),
        # How soon the client notices added partitions, and a topic that was deleted and created again.
        metadata_max_age_ms=int(config.watch_interval_s * 1000),
        # No limit between two fetches: a consumer that waits for PostgreSQL must stay in the group.
        max_poll_interval_ms=2**31 - 1,
    )
