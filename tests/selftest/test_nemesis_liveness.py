"""Each liveness rule of the nemesis reports a violation under its own name when its bound is exceeded."""

from __future__ import annotations

import asyncio
import os
from types import SimpleNamespace
from typing import Any, cast

import psutil
import pytest

from tests.nemesis import fleet, liveness
from tests.nemesis.environment import Endpoints
from tests.nemesis.fleet import Fleet, Member

ENDPOINTS = cast("Endpoints", None)


@pytest.fixture(autouse=True)
def short_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds short enough for a test."""
    for name, value in (("STALL_S", 0.1), ("SPARE_S", 0.2)):
        monkeypatch.setattr(liveness, name, value)


@pytest.fixture
def lags(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The successive values of the lag; the last one repeats."""
    left: list[int] = []

    async def lag(endpoints: Endpoints) -> int:
        return left.pop(0) if len(left) > 1 else left[0]

    monkeypatch.setattr(liveness, "lag", lag)
    return left


class FakeMember(Member):
    """A member with a fixed health."""

    def __init__(self, *, healthy: bool, unhealthy_at: float = 0.0, consumer: Any = None) -> None:
        super().__init__(consumer, 0, unhealthy_at=unhealthy_at)
        self._healthy = healthy

    async def healthy(self) -> bool:
        return self._healthy


def fleet_of(*members: Member) -> Fleet:
    endpoints = SimpleNamespace(proxied=SimpleNamespace(consumers=[]))
    made = Fleet(cast("Endpoints", endpoints))
    made.members = list(members)
    return made


def soon(seconds: float = 5.0) -> float:
    return asyncio.get_running_loop().time() + seconds  # the loop's clock is the monotonic one


UNHEALTHY = FakeMember(healthy=False, unhealthy_at=float("inf"))
HEALTHY = FakeMember(healthy=True)


async def test_a_lag_that_reaches_0_in_time_is_not_a_violation(lags: list[int]) -> None:
    lags += [30, 20, 10, 0]

    assert await liveness.catches_up(ENDPOINTS, fleet_of(HEALTHY), soon()) is None


async def test_l1_reports_a_lag_at_the_deadline(lags: list[int]) -> None:
    lags += [30, 20]

    assert str(await liveness.catches_up(ENDPOINTS, fleet_of(UNHEALTHY), soon(0.1))).startswith("L1: a lag of 20")


async def test_l2_reports_one_partition_without_progress(lags: list[int]) -> None:
    lags += [30, 7]  # the other partitions are stored

    assert "no progress" in str(await liveness.catches_up(ENDPOINTS, fleet_of(UNHEALTHY), soon(0.7)))


async def test_l3_reports_no_progress_while_all_consumers_are_healthy(lags: list[int]) -> None:
    lags.append(7)

    assert str(await liveness.catches_up(ENDPOINTS, fleet_of(HEALTHY), soon())).startswith("L3: a lag of 7")


async def test_l3_reports_a_consumer_that_stays_healthy_during_an_outage() -> None:
    assert await liveness.all_unhealthy(fleet_of(UNHEALTHY), soon(0)) is None
    assert str(await liveness.all_unhealthy(fleet_of(UNHEALTHY, HEALTHY), soon(0))).startswith("L3: 1 of 2")


async def test_l3_reports_an_unhealthy_consumer_after_all_is_stored() -> None:
    assert await liveness.all_healthy(fleet_of(HEALTHY)) is None
    assert str(await liveness.all_healthy(fleet_of(HEALTHY, UNHEALTHY))).startswith("L3")


async def test_l4_reports_a_consumer_that_does_not_end_after_sigterm() -> None:
    async def never(deadline_s: float) -> None:
        raise AssertionError("still there")

    killed: list[bool] = []
    stuck = SimpleNamespace(output="a log line", alive=True, terminate=never, kill=lambda: killed.append(True))
    members = fleet_of(FakeMember(healthy=True, consumer=stuck))

    await members.end()

    assert members.violations == ["L4: after SIGTERM: still there"]
    assert killed


async def test_l5_reports_memory_beyond_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    this_process = SimpleNamespace(alive=True, process=psutil.Process(os.getpid()))
    members = fleet_of(FakeMember(healthy=True, consumer=this_process))

    monkeypatch.setattr(fleet, "RSS_BUDGET", 2**40)  # the memory of this process depends on earlier tests
    await members._check_member(members.first)
    assert members.violations == []
    monkeypatch.setattr(fleet, "RSS_BUDGET", members.rss - 1)
    members.rss = 0
    await members._check_member(members.first)

    assert members.violations[0].startswith("L5 memory")


async def test_an_unexpected_exit_is_reported() -> None:
    members = fleet_of(FakeMember(healthy=True, consumer=SimpleNamespace(alive=False, output="goodbye")))

    await members._check_member(members.first)

    assert members.violations == ["a consumer ended unexpectedly: goodbye"]


@pytest.mark.parametrize(
    ("rate", "violation"), [(10.0, None), (9.9, "L6: 10 records a second under faults, 100 without")]
)
def test_l6_reports_a_low_throughput_under_faults(rate: float, violation: str | None) -> None:
    assert liveness.too_slow(rate, 100.0) == violation
