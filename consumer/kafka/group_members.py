"""Reads the members of the consumer group from its coordinator, and removes members."""

from collections.abc import Sequence
from typing import Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import KafkaConnectionError, UnknownMemberIdError, for_code
from aiokafka.protocol.admin import DescribeGroupsRequest
from aiokafka.protocol.group import LeaveGroupRequest

from agent_runs.settings import KafkaSettings
from consumer.kafka.errors import REQUEST_TIMEOUT_S, translated_errors
from consumer.kafka.request_client import RequestClient
from consumer.model.members import Member, decode_token
from consumer.settings import CLIENT_ID, TopicConfig

_GROUP_COORDINATOR: Final = 0  # the kind of coordinator in a FindCoordinator request
_STABLE: Final = "Stable"


class GroupMembers:
    """Reads and removes members of one consumer group. Connects to Kafka at the first call.

    Several tasks may use it at the same time: requests wait for each other. Each takes at most `timeout_s`.
    """

    def __init__(self, kafka: KafkaSettings, config: TopicConfig, timeout_s: float = REQUEST_TIMEOUT_S) -> None:
        self._topic = config.topic
        self._group = config.group
        self._client = RequestClient(kafka, timeout_s=timeout_s)

    async def read(self) -> list[Member] | None:
        """Return the members in the order of their ids; none if the group is empty or does not exist.

        Returns None while the group is rebalancing: no partition is assigned to a member then.

        Raises:
            Unavailable: no broker answers in time, or the consumer may not describe the group.
        """
        response = await self._request(DescribeGroupsRequest([self._group]))
        code, _, state, _, _, members = response.groups[0][:6]
        with translated_errors():
            if code:
                raise for_code(code)(self._group)
        if state != _STABLE and members:
            return None
        return sorted(self._member(*member[:5]) for member in members)

    async def remove(self, member_id: str) -> bool:
        """Remove a member, so that the group rebalances now. Returns False if the group has no such member.

        A member that is removed although it lives joins again at its next heartbeat.

        Raises:
            Unavailable: no broker answers in time.
        """
        response = await self._request(LeaveGroupRequest(self._group, member_id))
        error = for_code(response.error_code)
        if error is UnknownMemberIdError:
            return False
        with translated_errors():
            if response.error_code:
                raise error(self._group)
        return True

    async def close(self) -> None:
        """Disconnect from Kafka. Errors are ignored. A later call connects again."""
        await self._client.close()

    async def _request(self, request: Any) -> Any:
        """Send a request to the group's coordinator and return the response."""

        async def send(client: AIOKafkaClient) -> Any:
            if client.get_random_node() is None:  # the lookup would raise an AssertionError
                raise KafkaConnectionError("the cluster reports no broker")
            # Looked up for each request: the coordinator may have moved to another broker.
            coordinator = await client.coordinator_lookup(_GROUP_COORDINATOR, self._group)
            return await client.send(coordinator, request)

        return await self._client.run(send)

    def _member(self, member_id: str, client_id: str, host: str, metadata: bytes, assignment: bytes) -> Member:
        is_consumer = client_id == CLIENT_ID
        partitions = frozenset(_partitions(assignment, self._topic))
        token = _token(metadata) if is_consumer else None
        return Member(member_id, client_id, host.lstrip("/"), partitions, is_consumer, token)


def _token(metadata: bytes) -> int | None:
    """Return the token in encoded metadata; None if it has none, or cannot be decoded."""
    try:
        return decode_token(ConsumerProtocol.METADATA.decode(metadata).user_data)
    except ValueError:
        return None


def _partitions(assignment: bytes, topic: str) -> Sequence[int]:
    """Return the partitions of the topic in an encoded assignment; none if it cannot be decoded."""
    try:
        decoded = ConsumerProtocol.ASSIGNMENT.decode(assignment)
    except ValueError:
        return []
    return [tp.partition for tp in decoded.partitions() if tp.topic == topic]
