"""The time after which `run` ends at its start because PostgreSQL or Kafka refuses its login."""

import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from consumer.errors import LoginRefused, StoreError, UsageError

_T = TypeVar("_T")


class LoginDeadline(Generic[_T]):
    """Attempts to log in, and raises UsageError when the login has been refused for `give_up_s` seconds.

    For the start of `run`, which waits for PostgreSQL and Kafka without a limit. A password that is being rotated and a
    database that another container is about to create are accepted after some seconds. A wrong setting never is, and
    an operator sees a process that ends sooner than one that waits. After the start, the settings are known to be
    right, so a running consumer waits.
    """

    def __init__(self, attempt: Callable[[], Awaitable[_T]], give_up_s: float) -> None:
        self._attempt = attempt
        self._give_up_s = give_up_s
        self._refused_at: float | None = None

    async def run(self) -> _T:
        """Make one attempt and return its result.

        Raises:
            UsageError: all attempts of the last `give_up_s` seconds were refused.
            StoreError: this attempt failed.
        """
        try:
            return await self._attempt()
        except LoginRefused as error:
            now = time.monotonic()
            self._refused_at = now if self._refused_at is None else self._refused_at
            if now - self._refused_at >= self._give_up_s:
                raise UsageError(f"{error} (refused for {self._give_up_s:g} s)") from error
            raise
        except StoreError:
            self._refused_at = None
            raise
