"""The types of the fixtures that are functions."""

from collections.abc import Awaitable, Mapping
from typing import Protocol

from deploy.local import LocalStack


class MakeDatabase(Protocol):
    """The fixture `make_database`."""

    def __call__(self) -> Awaitable[str]:
        """Create a migrated, empty database and return its URL."""


class MakeTopic(Protocol):
    """The fixture `make_topic`."""

    def __call__(self, partitions: int = 1, configs: Mapping[str, str] | None = None) -> Awaitable[str]:
        """Create a topic and return its name. `configs` are added to LogAppendTime, which the service expects."""


class OwnServers(Protocol):
    """The fixture `own_servers`."""

    def __call__(self, durable: bool = False) -> LocalStack:
        """Start a stack that no other test uses, so that this one may kill it."""
