"""The types of the fixtures that are functions."""

from collections.abc import Awaitable, Mapping
from typing import Protocol

from deploy.local import LocalStack


class MakeDatabase(Protocol):
    """The fixture `make_database`."""

    def __call__(self) -> Awaitable[str]:
        """Make a migrated, empty database and return its URL."""


class MakeTopic(Protocol):
    """The fixture `make_topic`."""

    def __call__(self, partitions: int = 1, configs: Mapping[str, str] | None = None) -> Awaitable[str]:
        """Make a topic and return its name. `configs` go on top of LogAppendTime, which the service expects."""


class OwnServers(Protocol):
    """The fixture `own_servers`."""

    def __call__(self, durable: bool = False) -> LocalStack:
        """Start a stack that no other test sees, so that it may be killed."""
