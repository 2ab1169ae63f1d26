"""What has to hold when the faults are over: each bound can be broken, and then says so under its own name."""

from __future__ import annotations

import asyncio
import os
from types import SimpleNamespace
from typing import Any, cast

import psutil
import pytest

from tests.nemesis import fleet, liveness
from tests.nemesis.fleet import Fleet, Member
from tests.nemesis.world import Room

ROOM = cast("Room", None)


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that a test can sit through."""
    for name, value in (("STALL_S", 0.1), ("SPARE_S", 0.2)):
        monkeypatch.setattr(liveness, name, value)


@pytest.fixture
def lags(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the lag is, look by look; the last of them stays."""
    left: list[int] = []

    async def lag(room: Room) -> int:
        return left.pop(0) if len(left) > 1 else left[0]

    monkeypatch.setattr(liveness, "lag", lag)
    return left


class Said(Member):
    """A member that says what it is told to."""

    def __init__(self, *, healthy: bool, red_at: float = 0.0, consumer: Any = None) -> None:
        super().__init__(consumer, 0, red_at=red_at)
        self._healthy = healthy

    async def healthy(self) -> bool:
        return self._healthy


def of(*members: Member) -> Fleet:
    room = SimpleNamespace(wired=SimpleNamespace(consumers=[]))
    made = Fleet(cast("Room", room))
    made.members = list(members)
    return made


def soon(seconds: float = 5.0) -> float:
    return asyncio.get_running_loop().time() + seconds  # the loop's clock is the monotonic one


RED = Said(healthy=False, red_at=float("inf"))
GREEN = Said(healthy=True)


async def test_a_lag_that_falls_to_0_in_time_is_well(lags: list[int]) -> None:
    lags += [30, 20, 10, 0]

    assert await liveness.catches_up(ROOM, of(GREEN), soon()) is None


async def test_l1_a_lag_that_is_there_when_the_bound_has_passed(lags: list[int]) -> None:
    lags += [30, 20]

    assert str(await liveness.catches_up(ROOM, of(RED), soon(0.1))).startswith("L1: a lag of 20")


async def test_l2_a_partition_that_stands_still_is_a_lag_that_stands_still(lags: list[int]) -> None:
    lags += [30, 7]  # the others are stored

    assert "no progress" in str(await liveness.catches_up(ROOM, of(RED), soon(0.7)))


async def test_l3_all_say_they_are_well_and_nothing_moves(lags: list[int]) -> None:
    lags.append(7)

    assert str(await liveness.catches_up(ROOM, of(GREEN), soon())).startswith("L3: a lag of 7")


async def test_l3_one_overlooks_an_outage() -> None:
    assert await liveness.all_red(of(RED), soon(0)) is None
    assert str(await liveness.all_red(of(RED, GREEN), soon(0))).startswith("L3: 1 of 2")


async def test_l3_one_is_red_when_all_is_stored() -> None:
    assert await liveness.all_green(of(GREEN)) is None
    assert str(await liveness.all_green(of(GREEN, RED))).startswith("L3")


async def test_l4_one_does_not_end_when_it_is_told_to() -> None:
    async def never(deadline_s: float) -> None:
        raise AssertionError("still there")

    killed: list[bool] = []
    deaf = SimpleNamespace(output="said something", alive=True, terminated=never, kill=lambda: killed.append(True))
    looked_at = of(Said(healthy=True, consumer=deaf))

    await looked_at.end()

    assert looked_at.findings == ["L4: after SIGTERM: still there"]
    assert killed


async def test_l5_one_grows_beyond_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = SimpleNamespace(alive=True, process=psutil.Process(os.getpid()))
    looked_at = of(Said(healthy=True, consumer=ours))

    monkeypatch.setattr(fleet, "RSS_BUDGET", 2**40)  # what this process takes depends on the tests before this one
    await looked_at._look_at(looked_at.elder)
    assert looked_at.findings == []
    monkeypatch.setattr(fleet, "RSS_BUDGET", looked_at.rss - 1)
    looked_at.rss = 0
    await looked_at._look_at(looked_at.elder)

    assert looked_at.findings[0].startswith("L5 memory")


async def test_one_that_ends_by_itself_is_found() -> None:
    looked_at = of(Said(healthy=True, consumer=SimpleNamespace(alive=False, output="goodbye")))

    await looked_at._look_at(looked_at.elder)

    assert looked_at.findings == ["a consumer ended by itself: goodbye"]


@pytest.mark.parametrize(("hurt", "says"), [(10.0, None), (9.9, "L6: 10 records a second under faults, 100 without")])
def test_l6_too_little_is_stored_under_faults(hurt: float, says: str | None) -> None:
    assert liveness.too_slow(hurt, 100.0) == says
