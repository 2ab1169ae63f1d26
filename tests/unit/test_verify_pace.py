"""`Pace` pauses while the consumers store many events, and only then."""

from types import SimpleNamespace

import pytest

from consumer.postgres.store import Row
from consumer.verify.pace import Pace


class FakeSession:
    """Answers with the number of records that consumers have passed."""

    passed = 0

    async def fetch(self, query: str, *parameters: object) -> list[Row]:
        return [{"passed": self.passed}]


@pytest.mark.parametrize(("records_per_s", "pauses"), [(0, False), (1_000, False), (50_000, True)])
async def test_it_pauses_only_beside_busy_consumers(
    monkeypatch: pytest.MonkeyPatch, records_per_s: int, pauses: bool
) -> None:
    now_s, slept_s = 100.0, []

    async def sleep(seconds: float) -> None:
        slept_s.append(seconds)

    monkeypatch.setattr("consumer.verify.pace.time", SimpleNamespace(monotonic=lambda: now_s))
    monkeypatch.setattr("consumer.verify.pace.asyncio", SimpleNamespace(sleep=sleep))
    # Given consumers that store this many records per second,
    session = FakeSession()
    under_test = Pace(session)
    # when pages are read for three seconds,
    for _ in range(3):
        now_s += 1
        session.passed += records_per_s
        await under_test.pause()
    # then each page after the first is followed by a pause of several times its duration, or by none.
    assert bool(slept_s) == pauses
    assert all(seconds >= 4 for seconds in slept_s)
