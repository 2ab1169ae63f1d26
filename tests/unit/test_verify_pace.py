"""`Pace` pauses while the consumers store many events, and only then."""

from types import SimpleNamespace

import pytest

from consumer.postgres.store import Row
from consumer.verify.pace import Pace


class FakeSession:
    """Answers with the number of records that consumers have passed, and whether they have just passed some."""

    passed, has_moved = 0, False

    async def fetch(self, query: str, *parameters: object) -> list[Row]:
        return [{"passed": self.passed, "has_moved": self.has_moved}]


class Clocks:
    """The clock of the machine, the processor time of the process, and the pauses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s, self.used_s = 100.0, 7.0
        self.slept_s: list[float] = []
        clocks = SimpleNamespace(monotonic=lambda: self.now_s, process_time=lambda: self.used_s)
        monkeypatch.setattr("consumer.verify.pace.time", clocks)
        monkeypatch.setattr("consumer.verify.pace.asyncio", SimpleNamespace(sleep=self._sleep))

    async def _sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.used_s += 0.2  # meanwhile, other tasks read the next page


@pytest.mark.parametrize(("records_per_s", "pauses"), [(0, False), (1_000, False), (50_000, True)])
async def test_it_pauses_only_beside_busy_consumers(
    monkeypatch: pytest.MonkeyPatch, records_per_s: int, pauses: bool
) -> None:
    # Given consumers that store this many records per second,
    clocks, session = Clocks(monkeypatch), FakeSession()
    under_test = Pace(session)
    # when pages are read for three seconds,
    for _ in range(3):
        clocks.now_s += 1
        clocks.used_s += 0.1
        session.passed += records_per_s
        await under_test.pause()
    # then each page after the first is followed by a pause, or none is. What is read during a pause lengthens the next.
    assert clocks.slept_s == pytest.approx([1.0, 3.0] if pauses else [])


@pytest.mark.parametrize("has_moved", [False, True])
async def test_it_pauses_after_the_first_page_if_consumers_have_just_stored_records(
    monkeypatch: pytest.MonkeyPatch, has_moved: bool
) -> None:
    clocks, session = Clocks(monkeypatch), FakeSession()
    session.has_moved = has_moved
    under_test = Pace(session)

    clocks.used_s += 0.1
    await under_test.pause()

    assert clocks.slept_s == pytest.approx([1.0] if has_moved else [])
