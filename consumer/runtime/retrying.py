"""Waiting for the world: how long between two tries, and when to give up."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_delay, stop_never

from agent_runs.backoff import backoff_s
from consumer.errors import GaveUp, Unavailable

_log = structlog.get_logger()
_T = TypeVar("_T")

_FIRST_WAIT_S: Final = 0.1
_LONGEST_WAIT_S: Final = 5.0


def retry_delay_s(failures: int) -> float:
    """Return the seconds to wait before the next attempt; `failures` happened before the last one."""
    return backoff_s(failures, _FIRST_WAIT_S, _LONGEST_WAIT_S)


async def retry_while_unavailable(work: Callable[[], Awaitable[_T]], what: str, give_up_s: float | None = None) -> _T:
    """The result of `work`, tried again for as long as the world is unavailable.

    Raises:
        GaveUp: it still was after `give_up_s` seconds; never without that.
    """

    async def attempt() -> _T:
        return await work()  # `work` may be a lambda, which by itself is not seen to be asynchronous

    retrying = AsyncRetrying(
        retry=retry_if_exception_type(Unavailable),
        wait=lambda state: retry_delay_s(state.attempt_number - 1),
        stop=stop_after_delay(give_up_s) if give_up_s is not None else stop_never,
        before_sleep=_report(what),
        reraise=True,
    )
    try:
        return await retrying(attempt)
    except Unavailable as error:
        raise GaveUp(f"{what}: still unavailable after {give_up_s:g} s: {error}") from error


def _report(what: str) -> Callable[[RetryCallState], None]:
    def report(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        wait_s = state.next_action.sleep if state.next_action else 0.0
        _log.warning("Waiting for the world", action="wait", what=what, wait_s=round(wait_s, 2), error=str(error))

    return report
