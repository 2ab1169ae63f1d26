"""The log lines about batches that were not stored, and about their partitions when they store again."""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

import structlog

from consumer.errors import (
    Blocked,
    ConnectionLost,
    DataRefused,
    NewConnection,
    OutOfMemory,
    RepeatedIds,
    StaleOffsets,
    StoreError,
)
from consumer.model.claims import Claim, ClaimState

_log = structlog.get_logger()

# What happens next. The first two are normal: after a rebalance, or when a producer or the group repeats records.
_NORMAL: Final[dict[type[StoreError], str]] = {
    RepeatedIds: "A batch has events that may be stored already; storing those that are new",
    StaleOffsets: "Another consumer has stored these records; continuing from the stored offsets",
}
_FAILURES: Final[dict[type[StoreError], str]] = {
    ConnectionLost: "A batch lost its connection; reading the stored offsets, which show whether it was stored",
    Blocked: "A batch was not stored, because its rows are locked; retrying",
    DataRefused: "PostgreSQL refused a row, and stored nothing of the batch; searching for the record",
    NewConnection: "A batch was not stored; retrying on a new connection",
    OutOfMemory: "A batch did not fit into memory; retrying with smaller ones",
}
_OTHER: Final = "A batch was not stored; retrying"


class _Failure(NamedTuple):
    """The time of the first failed attempt, and the number of failed attempts."""

    since: float
    attempts: int


class FailureLines:
    """Logs each failed batch of one lane, and the first batch that each of its partitions stores after that."""

    def __init__(self) -> None:
        self._failures: dict[Claim, _Failure] = {}

    def failed(self, error: StoreError, claims: Sequence[Claim]) -> None:
        """Log that a batch with records of these claims was not stored."""
        partitions, kind = [claim.partition for claim in claims], type(error)
        if kind in _NORMAL:
            _log.info(_NORMAL[kind], action="batch_failed", partitions=partitions, error=repr(error))
            return
        text = _FAILURES.get(kind, _OTHER)
        _log.warning(text, action="batch_failed", partitions=partitions, error=repr(error))
        now = asyncio.get_running_loop().time()
        for claim in claims:
            since, attempts = self._failures.get(claim, _Failure(now, 0))
            self._failures[claim] = _Failure(since, attempts + 1)

    def stored(self, claims: Sequence[Claim]) -> None:
        """Log those of the claims whose last batch had failed: they have now stored one."""
        if not self._failures:
            return
        failures = {claim: self._failures.pop(claim) for claim in claims if claim in self._failures}
        # A claim that was taken away has no next batch here: its partition continues with another claim.
        self._failures = {
            claim: failure for claim, failure in self._failures.items() if claim.state is not ClaimState.REVOKED
        }
        if failures:
            since = min(failure.since for failure in failures.values())
            _log.info(
                "Partitions store again after failed attempts",
                action="batch_stored",
                partitions=[claim.partition for claim in failures],
                after_s=round(asyncio.get_running_loop().time() - since, 2),
                attempts=max(failure.attempts for failure in failures.values()) + 1,
            )
