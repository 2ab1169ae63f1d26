"""Reads the members of the consumer group from its coordinator."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import KafkaConnectionError, for_code
from aiokafka.protocol.admin import DescribeGroupsRequest

from agent_runs.settings import KafkaSettings
from consumer.errors import Unavailable
from consumer.kafka.client_options import client_options
from consumer.kafka.errors import CLIENT_ERRORS, translated_errors
from consumer.model.members import Member
from consumer.settings import CLIENT_ID, TopicConfig

_TIMEOUT_S: Final = 10.0
_GROUP_COORDINATOR: Final = 0  # the kind of coordinator in a FindCoordinator request
_STABLE: Final = "Stable"


class GroupMembers:
    """Reads the members of one consumer group. Connects to Kafka at the first call. For one task at a time."""

    def __init__(self, kafka: KafkaSettings, config: TopicConfig) -> None:
        self._kafka = kafka
        self._topic = config.topic
        self._group = config.group
        self._client: AIOKafkaClient | None = None

    async def read(self) -> list[Member] | None:
        """Return the members in the order of their ids; none if the group is empty or does not exist.

        Returns None while the group is rebalancing: no partition is assigned to a member then.

        Raises:
            Unavailable: no broker answers within 10 seconds, or the consumer may not describe the group.
        """
        response = await self._request(DescribeGroupsRequest([self._group]))
        code, _, state, _, _, members = response.groups[0][:6]
        with translated_errors():
            if code:
                raise for_code(code)(self._group)
        if state != _STABLE and members:
            return None
        return sorted(self._member(*member[:5]) for member in members)

    async def close(self) -> None:
        """Disconnect from Kafka. Errors are ignored. A later call connects again."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(*CLIENT_ERRORS):
                await asyncio.wait_for(client.close(), _TIMEOUT_S)

    async def _request(self, request: Any) -> Any:
        """Send a request to the group's coordinator and return the response."""
        try:
            with translated_errors():
                return await asyncio.wait_for(self._send(request), _TIMEOUT_S)
        except (Unavailable, asyncio.CancelledError):
            await self.close()  # the next request uses new connections
            raise

    async def _send(self, request: Any) -> Any:
        if self._client is None:
            self._client = AIOKafkaClient(**client_options(self._kafka, CLIENT_ID))
            await self._client.bootstrap()
        if self._client.get_random_node() is None:  # the lookup would raise an AssertionError
            raise KafkaConnectionError("the cluster reports no broker")
        # Looked up for each request: the coordinator may have moved to another broker.
        coordinator = await self._client.coordinator_lookup(_GROUP_COORDINATOR, self._group)
        return await self._client.send(coordinator, request)

    def _member(self, member_id: str, client_id: str, host: str, _: bytes, assignment: bytes) -> Member:
        partitions = frozenset(_partitions(assignment, self._topic))
        return Member(member_id, client_id, host.lstrip("/"), partitions, is_consumer=client_id == CLIENT_ID)


def _partitions(assignment: bytes, topic: str) -> Sequence[int]:
    """Return the partitions of the topic in an encoded assignment; none if it cannot be decoded."""
    try:
        decoded = ConsumerProtocol.ASSIGNMENT.decode(assignment)
    except ValueError:
        return []
    return [tp.partition for tp in decoded.partitions() if tp.topic == topic]
