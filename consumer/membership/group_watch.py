"""Reads the members of the consumer group, and reports them for health and log lines."""

import asyncio
from typing import Final

import structlog

from consumer.errors import Unavailable
from consumer.kafka.group_members import GroupMembers
from consumer.telemetry.observer import Observer

_log = structlog.get_logger()

_INTERVAL_S: Final = 1.0
# After as many failures in a row: shorter failures are those of a broker, and other log lines report them.
_FAILURES_LOGGED: Final = 30


class GroupWatch:
    """Watches the group while this process is a member of it."""

    def __init__(self, members: GroupMembers, observer: Observer) -> None:
        self._members = members
        self._observer = observer
        self._failures = 0

    async def run(self) -> None:
        """Read and report the members once a second, until cancelled; then disconnect."""
        try:
            while True:
                await self._read()
                await asyncio.sleep(_INTERVAL_S)
        finally:
            await self._members.close()

    async def _read(self) -> None:
        try:
            members = await self._members.read()
        except Unavailable as error:
            self._failures += 1
            if self._failures == _FAILURES_LOGGED:
                text = "Cannot read the members of the group; other applications in it are not reported"
                _log.warning(text, action="group_watch", error=str(error))
            return
        self._failures = 0
        if members is not None:
            self._observer.on_group(members)
