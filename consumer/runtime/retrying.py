"""Retries work after errors: the delays between attempts, and the time after which it gives up."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_delay, stop_never

from agent_runs.backoff import backoff_s
from consumer.errors import GaveUp, LoginRefused, Unavailable, UsageError

_log = structlog.get_logger()
_T = TypeVar("_T")

_FIRST_WAIT_S: Final = 0.1
_LONGEST_WAIT_S: Final = 5.0
_SHORTEST_ATTEMPT_S: Final = 1.0


def retry_delay_s(failures: int) -> float:
    """Return the seconds to wait before the next attempt, after `failures` + 1 consecutive failures."""
    return backoff_s(failures, _FIRST_WAIT_S, _LONGEST_WAIT_S)


async def retry_while_unavailable(
    work: Callable[[], Awaitable[_T]], what: str, give_up_s: float | None = None, *, cancels: bool = True
) -> _T:
    """Return the result of `work`, which is retried while Kafka or PostgreSQL is unavailable.

    Args:
        work: may be called any number of times.
        what: names the work in log lines and in the error, as in "connect to Kafka".
        give_up_s: None retries without end.
        cancels: an attempt that still runs after `give_up_s` seconds is cancelled. Without it, `work` must have a
            deadline of its own.

    Raises:
        GaveUp: an attempt failed after `give_up_s` seconds, or was cancelled.
        UsageError: an attempt failed after `give_up_s` seconds, because PostgreSQL or Kafka refuses the login.
    """
    begun_at, lines = time.monotonic(), _OutageLines(what)

    async def attempt() -> _T:
        lines.on_attempt()
        if give_up_s is None or not cancels:
            return await work()
        left_s = max(_SHORTEST_ATTEMPT_S, begun_at + give_up_s - time.monotonic())
        return await _cancelled_after(left_s, work)

    try:
        result = await retry_on(Unavailable, attempt, lines.failed, give_up_s)
    except LoginRefused as error:
        raise UsageError(f"{error} (refused for {give_up_s:g} s)") from error
    except Unavailable as error:
        raise GaveUp(f"{what}: still unavailable after {give_up_s:g} s: {error}") from error
    lines.succeeded()
    return result


class _OutageLines:
    """Logs the failed attempts of one call of `retry_while_unavailable`, and that the last one succeeded."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._attempts = 0
        self._begun_at = self._last_at = time.monotonic()

    def on_attempt(self) -> None:
        self._attempts += 1
        self._last_at = time.monotonic()

    def failed(self, error: BaseException, wait_s: float) -> None:
        text = "Kafka or PostgreSQL is unavailable; retrying"
        _log.warning(text, action="wait", what=self._what, wait_s=round(wait_s, 2), error=str(error))

    def succeeded(self) -> None:
        if self._attempts > 1:
            # Not the time of the successful attempt, which may be long work.
            after_s = round(self._last_at - self._begun_at, 2)
            text = "Kafka or PostgreSQL is available again"
            _log.info(text, action="available", what=self._what, after_s=after_s, attempts=self._attempts)


async def _cancelled_after(seconds: float, work: Callable[[], Awaitable[_T]]) -> _T:
    try:
        async with asyncio.timeout(seconds):
            return await work()
    except TimeoutError as error:
        remedy = "start Kafka and PostgreSQL, or correct KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL"
        raise Unavailable(f"no answer within {seconds:.2g} s: {remedy}") from error


async def retry_on(
    failure: type[Exception],
    work: Callable[[], Awaitable[_T]],
    report: Callable[[BaseException, float], None],
    give_up_s: float | None = None,
) -> _T:
    """Return the result of `work`, which is retried after errors of one class. Other errors are raised.

    Args:
        failure: the class of errors to retry after. If an attempt fails after `give_up_s` seconds, its error is raised.
        work: may be called any number of times.
        report: called before each delay, with the error and the seconds to wait.
        give_up_s: None retries without end.
    """

    async def attempt() -> _T:
        return await work()  # tenacity awaits coroutine functions only, and `work` may be a lambda

    def report_attempt(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if error is not None and state.next_action is not None:
            report(error, state.next_action.sleep)

    retrying = AsyncRetrying(
        retry=retry_if_exception_type(failure),
        wait=lambda state: retry_delay_s(state.attempt_number - 1),
        stop=stop_after_delay(give_up_s) if give_up_s is not None else stop_never,
        before_sleep=report_attempt,
        reraise=True,
    )
    return await retrying(attempt)
