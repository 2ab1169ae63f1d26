"""Access control lists of a broker that has an authorizer."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not declared as exports
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

# A broker with this authorizer allows everything that no ACL is about.
ALLOW_BY_DEFAULT: Final = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}
ANSWER_S: Final = 30.0
EVERYBODY: Final = "User:*"


def add_acls(
    bootstrap_servers: str,
    kind: ResourceType,
    name: str,
    principal: str,
    operations: Sequence[AclOperation],
    permission: AclPermissionType,
) -> None:
    """Allow or deny a principal these operations on a topic or a group."""
    admin = admin_client(bootstrap_servers)
    acls = [
        AclBinding(kind, name, ResourcePatternType.LITERAL, principal, "*", operation, permission)
        for operation in operations
    ]
    _wait(admin.create_acls(acls).values())


def remove_acls(bootstrap_servers: str, kind: ResourceType, name: str, permission: AclPermissionType) -> None:
    """Remove the ACLs of a topic or a group with this permission; `ANY` removes all."""
    anyone: Any = None  # allowed by the client, but not declared
    literal, any_operation = ResourcePatternType.LITERAL, AclOperation.ANY
    admin = admin_client(bootstrap_servers)
    _wait(
        admin.delete_acls([AclBindingFilter(kind, name, literal, anyone, anyone, any_operation, permission)]).values()
    )


@asynccontextmanager
async def refused_group(bootstrap_servers: str, group: str) -> AsyncIterator[None]:
    """Let the coordinator refuse all members of a group for the duration of the block."""
    resource = (bootstrap_servers, ResourceType.GROUP, group)
    denied = (EVERYBODY, [AclOperation.READ], AclPermissionType.DENY)
    await asyncio.to_thread(add_acls, *resource, *denied)
    try:
        yield
    finally:
        await asyncio.to_thread(remove_acls, *resource, AclPermissionType.DENY)


def admin_client(bootstrap_servers: str) -> AdminClient:
    """Return an administrator's client. Keep it until its answers arrive: it ends with its last reference."""
    return AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})


def _wait(futures: Iterable) -> None:  # type: ignore[type-arg]
    for future in futures:
        future.result(ANSWER_S)
