"""Who shares the partitions, as Kafka's coordinator of the group sees it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

STABLE = "Stable"  # every member knows its partitions; anything else is on the way there


@dataclass(frozen=True, slots=True)
class Group:
    """A consumer group, seen from outside."""

    name: str
    admin: AIOKafkaAdminClient

    async def members(self) -> frozenset[str]:
        """The ids of those that share the partitions now; empty while that is being settled."""
        try:
            (response,) = await self.admin.describe_consumer_groups([self.name])
        except GroupCoordinatorNotAvailableError:  # a young broker has none until the first member asks
            return frozenset()
        (group,) = response.to_object()["groups"]
        if group["state"] != STABLE:
            return frozenset()
        return frozenset(member["member_id"] for member in group["members"])


@asynccontextmanager
async def open_group(bootstrap_servers: str, name: str) -> AsyncIterator[Group]:
    """The group, seen through a client of its own."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    try:
        await admin.start()
        yield Group(name, admin)
    finally:
        await admin.close()
