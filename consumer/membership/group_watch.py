"""Watches the consumer group while this process is a member: other applications in it, and members that have ended."""

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Final

import structlog

from consumer.errors import OperatorNeeded, StoreError, Unavailable
from consumer.kafka.group_members import GroupMembers
from consumer.membership.instance_check import InstanceCheck
from consumer.membership.process_sessions import ProcessSessions
from consumer.model.members import Member
from consumer.runtime.cancellation import cancel_all
from consumer.runtime.retrying import retry_delay_s
from consumer.telemetry.observer import Observer

_log = structlog.get_logger()

_READ_INTERVAL_S: Final = 1.0
_SESSIONS_INTERVAL_S: Final = 0.2
# After as many failures in a row: shorter failures are those of a broker, and other log lines report them.
_FAILURES_LOGGED: Final = 30


class GroupWatch:
    """Reports the members of the group, and removes members whose process has ended.

    Without the removal, the partitions of such a member stand still until the coordinator misses its heartbeats.
    Without `sessions`, no member is removed.
    """

    def __init__(
        self, members: GroupMembers, sessions: ProcessSessions | None, instance: InstanceCheck, observer: Observer
    ) -> None:
        self._group = members
        self._sessions = sessions
        self._instance = instance
        self._observer = observer
        self._members: Sequence[Member] = ()

    async def run(self) -> None:
        """Watch the group until cancelled; then close the sessions.

        Raises:
            UsageError: another process has the group instance id of this one.
        """
        tasks = [asyncio.create_task(work) for work in (self._read_members(), self._remove_ended_members())]
        try:
            # Not `gather`: it cancels the tasks too, and a task that is cancelled twice leaves its query unattended.
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            await cancel_all(tasks)
            if self._sessions is not None:
                self._sessions.close()

    async def _read_members(self) -> None:
        failures, failing_since = 0, 0.0
        while True:
            try:
                members = await self._group.read()
            except Unavailable as error:
                failures += 1
                failing_since = time.monotonic() if failures == 1 else failing_since
                if failures == _FAILURES_LOGGED:
                    text = "Cannot read the members of the group; other applications in it are not reported"
                    _log.warning(text, action="group_watch", error=str(error))
            else:
                if failures >= _FAILURES_LOGGED:
                    text, after_s = "The members of the group can be read again", time.monotonic() - failing_since
                    _log.info(text, action="group_watch", after_s=round(after_s, 1))
                failures = 0
                if members is not None:  # else the group is rebalancing: its members are those read before
                    self._members = members
                    self._observer.on_group(members)
                    self._instance.check(members)
            # At random: two processes with one group instance id replace each other at regular intervals too, and would
            # always read when each is the member.
            await asyncio.sleep(_READ_INTERVAL_S * random.uniform(0.5, 1.5))  # noqa: S311  # not used for security

    async def _remove_ended_members(self) -> None:
        failures = 0
        while self._sessions is not None:
            try:
                for member in await self._sessions.ended(self._members):
                    await self._remove(member)
                failures = 0
            except OperatorNeeded as error:
                text = "Cannot see which consumers have ended; Kafka removes them after their session timeout"
                _log.warning(text, action="group_watch", error=str(error))
                return
            except StoreError as error:
                _log.debug("Cannot look for ended consumers; trying again", action="group_watch", error=str(error))
                self._sessions.close()
                await asyncio.sleep(retry_delay_s(failures))
                failures += 1
            await asyncio.sleep(_SESSIONS_INTERVAL_S)

    async def _remove(self, member: Member) -> None:
        try:
            is_removed = await self._group.remove(member.member_id)
        except Unavailable as error:
            _log.debug("Cannot remove a member; trying again", action="group_watch", error=str(error))
            return
        if is_removed:
            _log.warning(
                "The process of a consumer has ended; its partitions are reassigned now",
                action="member_removed",
                member=member.member_id,
                host=member.host,
                partitions=sorted(member.partitions),
            )
        self._members = [other for other in self._members if other is not member]
