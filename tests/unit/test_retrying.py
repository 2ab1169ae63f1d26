"""Waiting for the world."""

from itertools import pairwise

import pytest

from consumer.errors import ConnectionLost, GaveUp, StaleOffsets, Unavailable
from consumer.runtime import retrying as patience
from consumer.runtime.retrying import retry_delay_s, retry_while_unavailable


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time between two tries."""
    monkeypatch.setattr(patience, "_FIRST_WAIT_S", 0.0)


@pytest.mark.parametrize(
    ("failures", "longest"), [(0, 0.1), (1, 0.2), (2, 0.4), (5, 3.2), (6, 5.0), (7, 5.0), (16, 5.0), (100_000, 5.0)]
)
def test_the_wait_doubles_up_to_five_seconds_and_is_spread_over_its_upper_half(failures: int, longest: float) -> None:
    waits = sorted(retry_delay_s(failures) for _ in range(200))

    assert longest / 2 <= waits[0] < 0.6 * longest
    assert 0.9 * longest < waits[-1] <= longest
    assert any(one != other for one, other in pairwise(waits))


async def test_what_is_unavailable_is_tried_until_it_is_there(impatient: None) -> None:
    answers: list[Exception | str] = [Unavailable("no"), ConnectionLost("gone"), Unavailable("no"), "there"]

    async def work() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert await retry_while_unavailable(work, "ask") == "there"
    assert answers == []


async def test_whoever_has_no_patience_gives_up_and_says_what_and_why(impatient: None) -> None:
    async def work() -> None:
        raise Unavailable("nobody answers")

    with pytest.raises(GaveUp, match=r"^connect: still unavailable after 0 s: nobody answers$") as caught:
        await retry_while_unavailable(work, "connect", give_up_s=0)
    assert isinstance(caught.value.__cause__, Unavailable)


async def test_an_error_that_waiting_does_not_help_is_not_waited_for(impatient: None) -> None:
    tries = 0

    async def work() -> None:
        nonlocal tries
        tries += 1
        raise StaleOffsets("moved")

    with pytest.raises(StaleOffsets):
        await retry_while_unavailable(work, "write")
    assert tries == 1
