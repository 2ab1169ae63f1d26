"""Detects another process with the group instance id of this one (AGENT_RUNS_GROUP_INSTANCE_ID)."""

from collections.abc import Iterable

from consumer.errors import UsageError
from consumer.model.members import Member


class InstanceCheck:
    """Checks the members of the group for another process with the same group instance id.

    Kafka lets the process that joins last replace the other one, which joins again at its next heartbeat. So both
    replace each other several times a second, and each of them reloads its partitions every time.
    """

    def __init__(self, instance_id: str | None, token: int) -> None:
        self._instance_id = instance_id
        self._token = token
        self._was_member = False

    def check(self, members: Iterable[Member]) -> None:
        """Raise UsageError if a process that started later has replaced this one.

        The process that started first ends: an orchestrator may have replaced it because its machine is unreachable.
        """
        tokens = {member.token for member in members if member.instance_id == self._instance_id}
        self._was_member |= self._token in tokens
        if self._was_member and any(token is not None and token > self._token for token in tokens):
            raise UsageError(
                f"AGENT_RUNS_GROUP_INSTANCE_ID={self._instance_id!r}: a process that started later is a member of the "
                "group with this id; give each process an id of its own"
            )
