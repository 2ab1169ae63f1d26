"""The watch of the group logs when its members cannot be read, and when they can be read again."""

import asyncio
from collections.abc import Iterator
from typing import cast

import pytest
from structlog.testing import capture_logs

from consumer.errors import Unavailable
from consumer.kafka.group_members import GroupMembers
from consumer.membership import group_watch
from consumer.membership.group_watch import GroupWatch
from consumer.membership.instance_check import InstanceCheck
from consumer.telemetry.observer import Observer


class Members:
    """Group members that cannot be read `failures` times, then once; then the watch is cancelled."""

    def __init__(self, failures: int) -> None:
        self._answers: Iterator[bool] = iter([False] * failures + [True])

    async def read(self) -> None:
        answer = next(self._answers, None)
        if answer is None:
            raise asyncio.CancelledError
        if not answer:
            raise Unavailable("no answer")


@pytest.mark.parametrize(("failures", "levels"), [(29, []), (30, ["warning", "info"]), (31, ["warning", "info"])])
async def test_a_long_failure_and_its_end_are_logged_once(
    monkeypatch: pytest.MonkeyPatch, failures: int, levels: list[str]
) -> None:
    monkeypatch.setattr(group_watch, "_READ_INTERVAL_S", 0)
    members = Members(failures)
    with capture_logs() as lines, pytest.raises(asyncio.CancelledError):
        await GroupWatch(cast("GroupMembers", members), None, InstanceCheck(None, 0), Observer(60.0)).run()

    assert [line["log_level"] for line in lines] == levels
    assert {line["action"] for line in lines} <= {"group_watch"}
