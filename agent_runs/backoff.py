"""The delay before the next attempt after consecutive failures: exponential with jitter."""

import random
from typing import Final

_MAX_DOUBLINGS: Final = 64  # more would overflow a float after about a thousand failures


def backoff_s(failures: int, first_s: float, longest_s: float) -> float:
    """Return the seconds to wait: a random value between half of the current limit and the limit.

    The jitter keeps clients that failed together from returning together.

    Args:
        failures: consecutive failures before the one that just happened; 0 after the first failure.
        first_s: the limit after the first failure; it doubles with every further one.
        longest_s: the largest limit.
    """
    limit_s = min(longest_s, first_s * 2.0 ** min(failures, _MAX_DOUBLINGS))
    return limit_s * random.uniform(0.5, 1.0)  # noqa: S311  # not used for security
