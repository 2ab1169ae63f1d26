"""The queue of one claim: its slices that are not stored yet, and the state of its first slice between attempts."""

from collections import deque
from collections.abc import Iterable
from typing import Final

from consumer.errors import RepeatedIds, StoreError
from consumer.model.batches import Slice, Stored
from consumer.model.claims import Claim, ClaimState
from consumer.model.records import Rejection
from consumer.partitions.circuit_breaker import CircuitBreaker
from consumer.runtime.retrying import retry_delay_s
from consumer.settings import IngestConfig

# Two lost connections may have another cause: a restart of the server, and one of its stand-by.
_MAX_CONNECTION_LOSSES: Final = 3
_MAX_IMMEDIATE_RETRIES: Final = 5
_MAX_MEMORY_FAILURES: Final = 3
# For one record that exceeds a limit. Two failures may have another cause: a busy server, a cancelled statement.
_MAX_LIMIT_FAILURES: Final = 3
# After a limit was exceeded, each stored batch lets the next one be larger by this share; its size doubles in about
# twelve batches. With larger steps, a limit that lasts would be exceeded more often.
_GROWTH_SHARE: Final = 16


class Queue:
    """The slices of one claim that are not stored yet, in the order of their offsets.

    Only the methods of this class change a queue; other code reads its attributes.

    Attributes:
        isolated: the first slice is written in a transaction of its own: one of the lane's transactions has failed
            since this queue last succeeded.
        check_existing: event ids are looked up before events are copied: the last batch had repeats. Without this,
            each batch of a topic that is consumed again would first be copied and refused.
        consecutive_failures: failed attempts to write the first slice that are followed by a delay.
        connection_losses: connections lost while the first slice was written.
        memory_failures: attempts to write the first slice for which this process had too little memory.
        immediate_retries: retries of the first slice without a delay.
        limit_failures: transactions with the first slice, of one record, that exceeded a limit.
        max_records: the most records of the first slice; fewer than `batch_records` after a limit was exceeded.
        not_before: the event loop's time of the next attempt.
    """

    def __init__(self, claim: Claim, config: IngestConfig) -> None:
        self.claim = claim
        self._config = config
        self._breaker = CircuitBreaker(claim.partition, config)
        self.slices: deque[Slice] = deque()
        self._writing = False
        self.isolated = False
        self.check_existing = False
        self.max_records = config.batch_records
        self._reset_attempts()

    def _reset_attempts(self) -> None:
        self.consecutive_failures = self.connection_losses = self.immediate_retries = 0
        self.limit_failures = self.memory_failures = 0
        self.not_before = 0.0

    @property
    def alive(self) -> bool:
        """Whether the slices may still be written."""
        return self.claim.state is ClaimState.READY

    @property
    def first(self) -> Slice:
        """The slice to write next, or the one that is being written."""
        return self.slices[0]

    def waiting(self) -> list[Slice]:
        """Return the slices that are not being written.

        Also returns the one that is being written if it is larger than a batch: it is one record, and takes several
        times its size. The next record of the lane may be as large.
        """
        being_written = self._writing and self.first.size_bytes < self._config.batch_bytes
        return list(self.slices)[1 if being_written else 0 :]

    def append(self, slice_: Slice) -> None:
        """Add the slice that follows, in parts no larger than a batch; a part that fits extends the last slice."""
        count = -(-slice_.size_bytes // self._config.batch_bytes)
        if self.max_records < self._config.batch_records:
            count = max(count, -(-slice_.records // self.max_records))
        for part in slice_.split(count) if count > 1 else [slice_]:
            if self._fits(part):
                self.slices[-1].extend(part)
            else:
                self.slices.append(part)

    def _fits(self, slice_: Slice) -> bool:
        if len(self.slices) <= self._writing:
            return False  # a slice that is being written can't grow
        last = self.slices[-1]
        return (
            last.records + slice_.records <= self.max_records
            and last.size_bytes + slice_.size_bytes <= self._config.batch_bytes
        )

    def begin(self) -> Slice:
        """Return the first slice, to be written in a transaction that begins now."""
        self._writing = True
        self.claim.begin_transaction()
        return self.first

    def end(self) -> None:
        """Record that the transaction has ended, whether or not it was committed."""
        self._writing = False
        self.claim.end_transaction()

    def succeed(self, stored: Stored) -> None:
        """Remove the first slice, which was stored. `stored` is the result of its transaction."""
        slice_ = self.slices.popleft()
        self.claim.stored(slice_.end_offset, slice_.fingerprint)
        self.isolated = False
        self.check_existing = self.check_existing and stored.repeats > 0
        grown = slice_.records + -(-slice_.records // _GROWTH_SHARE)
        self.max_records = min(max(self.max_records, grown), self._config.batch_records)
        self._reset_attempts()
        self._split_to_limit()
        self._check_breaker([letter.rejection for letter in stored.new_dead_letters])

    def _check_breaker(self, rejections: Iterable[Rejection]) -> None:
        if reason := self._breaker.count(rejections, self.claim.next_offset):
            self.claim.halt(reason)

    def isolate(self) -> None:
        """Write slices of this queue in transactions of their own, until one has been stored."""
        self.isolated = True

    def back_off(self, now: float) -> None:
        """Try the first slice again after a delay that grows with each failure."""
        self.not_before = now + retry_delay_s(self.consecutive_failures)
        self.consecutive_failures += 1

    def retry_at_once(self, error: StoreError) -> bool:
        """Try the first slice again without a delay. After RepeatedIds, the ids are looked up first.

        Returns:
            False if five retries have failed. The cause is a bug, or another program that writes to the tables.
        """
        self.check_existing = self.check_existing or isinstance(error, RepeatedIds)
        self.immediate_retries += 1
        return self.immediate_retries <= _MAX_IMMEDIATE_RETRIES

    def exceed_limit(self, error: StoreError, now: float, *, alone: bool) -> None:
        """Try half of the first slice later: a time or memory limit ended its transaction.

        If three transactions with the same single record exceed it, the claim is halted.

        Args:
            error: PostgreSQL's message, which names the limit.
            now: the event loop's time.
            alone: whether the transaction had no slice of another queue.
        """
        self.back_off(now)
        if self.first.records > 1:
            self.max_records = -(-self.first.records // 2)
            self._split_to_limit()
        elif alone and self.first.fingerprint is not None:
            self.limit_failures += 1
            if self.limit_failures >= _MAX_LIMIT_FAILURES:
                self.claim.halt(
                    f"each transaction with the record at offset {self.only_offset} exceeds a limit: "
                    f"{error}; raise AGENT_RUNS_DATABASE_TIMEOUT_S, or PostgreSQL's timeout or memory for its sessions"
                )

    def _split_to_limit(self) -> None:
        """Split the first slice if it was queued before a limit was exceeded."""
        if self.slices and self.max_records < min(self.first.records, self._config.batch_records):
            self.split_first(-(-self.first.records // self.max_records))

    def lose_connection(self, now: float) -> None:
        """Try the first slice again later; after three lost connections, find the record that causes them.

        PostgreSQL has answered between these attempts, so a record of the slice may be the cause. The slice is split
        into slices of one record. If three connections are lost over one of these, the claim is halted.
        """
        self.back_off(now)
        self.connection_losses += 1
        if self.connection_losses < _MAX_CONNECTION_LOSSES:
            return
        if self.first.records > 1:
            self.split_first(self.first.records)
        elif self.first.fingerprint is not None:
            self.claim.halt(
                f"the connection to PostgreSQL is lost whenever the record at offset {self.only_offset} is written"
            )

    def run_out_of_memory(self, now: float) -> None:
        """Try the first slice again later, in halves; after three failures of one record, halt the claim."""
        self.back_off(now)
        self.memory_failures += 1
        if self.first.records > 1:
            self.split_first(2)
        elif self.memory_failures >= _MAX_MEMORY_FAILURES:
            self.claim.halt(f"this process has too little memory to write the record at offset {self.only_offset}")

    @property
    def only_offset(self) -> int:
        """The offset of the only record of the first slice."""
        fingerprint = self.first.fingerprint
        return self.first.start_offset if fingerprint is None else fingerprint.offset

    def split_first(self, count: int) -> None:
        """Replace the first slice by at most `count` slices with the same records."""
        self.slices.extendleft(reversed(self.slices.popleft().split(count)))
        self.connection_losses = self.memory_failures = 0
