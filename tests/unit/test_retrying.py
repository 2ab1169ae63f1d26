"""Retries while Kafka or PostgreSQL is unavailable."""

import asyncio
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from consumer.errors import (
    ConnectionLost,
    GaveUp,
    KafkaClientBroken,
    LoginRefused,
    StaleOffsets,
    Unavailable,
    UsageError,
)
from consumer.runtime import retrying
from consumer.runtime.retrying import retry_delay_s, retry_on, retry_while_unavailable

DEADLINE_S = 10.0


@pytest.fixture
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """No delay between attempts."""
    monkeypatch.setattr(retrying, "_FIRST_WAIT_S", 0.0)


@pytest.mark.parametrize(
    ("failures", "longest"), [(0, 0.1), (1, 0.2), (2, 0.4), (5, 3.2), (6, 5.0), (7, 5.0), (16, 5.0), (100_000, 5.0)]
)
def test_the_delay_doubles_up_to_five_seconds_and_is_random_in_its_upper_half(failures: int, longest: float) -> None:
    waits = sorted(retry_delay_s(failures) for _ in range(200))

    assert longest / 2 <= waits[0] < 0.6 * longest
    assert 0.9 * longest < waits[-1] <= longest
    assert any(one != other for one, other in pairwise(waits))


async def test_work_is_retried_until_it_succeeds(no_delay: None) -> None:
    results: list[Exception | str] = [Unavailable("no"), ConnectionLost("lost"), Unavailable("no"), "done"]

    async def work() -> str:
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    assert await retry_while_unavailable(work, "work") == "done"
    assert results == []


async def test_the_error_after_the_deadline_names_the_work_and_the_cause(no_delay: None) -> None:
    async def work() -> None:
        raise Unavailable("no answer")

    with pytest.raises(GaveUp, match=r"^connect: still unavailable after 0 s: no answer$") as caught:
        await retry_while_unavailable(work, "connect", give_up_s=0)
    assert isinstance(caught.value.__cause__, Unavailable)


async def test_an_attempt_that_does_not_end_is_cancelled_when_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "_SHORTEST_ATTEMPT_S", 0.01)

    # On a busy machine, less than 0.02 s are left for the attempt, or a second attempt begins.
    with pytest.raises(GaveUp, match=r"^connect: still unavailable after 0.02 s: no answer within 0.0[0-9]+ s: start "):
        await asyncio.wait_for(retry_while_unavailable(asyncio.Event().wait, "connect", give_up_s=0.02), DEADLINE_S)


async def test_work_with_a_deadline_of_its_own_is_not_cancelled() -> None:
    assert await retry_while_unavailable(lambda: asyncio.sleep(0.05, "done"), "m", 0.01, cancels=False) == "done"


async def test_another_error_is_not_retried(no_delay: None) -> None:
    tries = 0

    async def work() -> None:
        nonlocal tries
        tries += 1
        raise StaleOffsets("moved")

    with pytest.raises(StaleOffsets):
        await retry_while_unavailable(work, "write")
    assert tries == 1


async def test_errors_of_one_class_are_reported_and_retried(no_delay: None) -> None:
    errors: list[Exception] = [KafkaClientBroken("first"), KafkaClientBroken("second")]
    reported: list[tuple[str, float]] = []

    async def work() -> str:
        if errors:
            raise errors.pop(0)
        return "done"

    result = await retry_on(KafkaClientBroken, work, lambda error, wait_s: reported.append((str(error), wait_s)))

    assert result == "done"
    assert reported == [("first", 0.0), ("second", 0.0)]


async def test_the_end_of_an_outage_is_logged_with_its_duration_and_attempts(no_delay: None) -> None:
    errors = [Unavailable("no"), Unavailable("no")]

    async def work() -> None:
        if errors:
            raise errors.pop()

    with capture_logs() as lines:
        await retry_while_unavailable(work, "connect")
        await retry_while_unavailable(work, "connect")

    assert [line["action"] for line in lines] == ["wait", "wait", "available"]
    assert (lines[-1]["what"], lines[-1]["attempts"]) == ("connect", 3)
    assert lines[-1]["after_s"] >= 0


async def test_a_login_that_is_refused_until_the_deadline_is_a_wrong_setting(no_delay: None) -> None:
    async def work() -> None:
        raise LoginRefused("correct the password")

    with pytest.raises(UsageError, match=r"^correct the password \(refused for 0 s\)$"):
        await retry_while_unavailable(work, "connect", give_up_s=0)
