"""Metrics, health, and the log lines about what was stored, refused or halted."""

import time
from collections.abc import Iterable

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from consumer.errors import StoreError
from consumer.model.batches import Batch, Stored
from consumer.model.claims import Claim, ClaimState

_log = structlog.get_logger()

_REJECTIONS_LOGGED = 5  # per batch: a faulty producer must not flood the log
_GAUGE_INTERVAL_S = 1.0
_BATCH_SIZES = (1, 10, 100, 500, 1000, 2000, 4000, 8000, 16000)


class Observer:
    """Counts what was stored, and tracks the health of the consumer.

    The HTTP server calls `problems` from a thread of its own: health must turn red also when the event loop is blocked.
    """

    def __init__(self, stall_s: float, watch_interval_s: float = 10.0) -> None:
        self._stall_s = stall_s
        self._stale_s = watch_interval_s + stall_s  # the end offsets are requested once per watch interval
        self._claims: list[Claim] = []
        self._known_halts: set[int] = set()
        # By partition: a value, and when it last changed.
        self._next_offsets: dict[int, tuple[int, float]] = {}
        self._end_offset_reports: dict[int, tuple[int, float]] = {}
        self._loop_at = self._gauged_at = self._member_at = time.monotonic()
        self._refusal = ""  # why Kafka refuses this member of the group; empty unless it does
        self.registry = CollectorRegistry()
        self._events = Counter("agent_runs_events_stored", "Events stored.", registry=self.registry)
        self._repeats = Counter("agent_runs_repeats", "Records already stored before.", registry=self.registry)
        self._rejections = Counter("agent_runs_dead_letters", "Records refused.", ["reason"], registry=self.registry)
        self._failures = Counter(
            "agent_runs_batch_failures", "Transactions that stored nothing.", ["error"], registry=self.registry
        )
        self._sizes = Histogram(
            "agent_runs_batch_records", "Records per transaction.", buckets=_BATCH_SIZES, registry=self.registry
        )
        self._lag = Gauge(
            "agent_runs_lag_records", "Records in the log, not stored yet.", ["partition"], registry=self.registry
        )
        self._halted = Gauge(
            "agent_runs_halted", "1: the partition waits for an operator.", ["partition"], registry=self.registry
        )

    def stored(self, batch: Batch, stored: Stored) -> None:
        """Count a committed transaction, and log its first rejections."""
        self._events.inc(stored.events)
        self._repeats.inc(stored.repeats)
        self._sizes.observe(sum(slice_.records for slice_ in batch))
        for rejection in stored.new_dead_letters:
            self._rejections.labels(rejection.reason).inc()
        for rejection in stored.new_dead_letters[:_REJECTIONS_LOGGED]:
            _log.warning(
                "A record was refused",
                action="dead_letter",
                partition=rejection.record.partition,
                offset=rejection.record.offset,
                reason=rejection.reason.value,
                detail=rejection.detail,
            )
        more = len(stored.new_dead_letters) - _REJECTIONS_LOGGED
        if more > 0:
            _log.warning("More records were refused: see table dead_letters", action="dead_letters", more=more)

    def failed(self, error: StoreError) -> None:
        """Count a transaction that stored nothing."""
        self._failures.labels(type(error).__name__).inc()

    def refused(self, reason: str) -> None:
        """Record that Kafka refuses this member of the group, until `on_loop` reports a membership."""
        if reason != self._refusal:
            _log.error("Kafka refuses this consumer; trying to join again", action="refused", error=reason)
        self._refusal = reason

    def on_loop(self, claims: Iterable[Claim], *, is_member: bool = True) -> None:
        """Record that the consume loop completed a round, the state of its claims, and if the group has this member."""
        now = time.monotonic()
        self._loop_at = now
        if is_member:
            if self._refusal:
                text = "Kafka accepts this consumer again"
                _log.info(text, action="accepted", after_s=round(now - self._member_at, 1), reason=self._refusal)
            self._member_at, self._refusal = now, ""
        self._claims = list(claims)
        self._next_offsets = {
            claim.partition: (claim.next_offset, now)
            if self._has_progressed(claim)
            else self._next_offsets[claim.partition]
            for claim in self._claims
        }
        self._end_offset_reports = {
            claim.partition: (claim.end_offset_reports, now)
            if self._has_new_report(claim)
            else self._end_offset_reports[claim.partition]
            for claim in self._claims
        }
        self._log_new_halts()
        if now - self._gauged_at >= _GAUGE_INTERVAL_S:
            self._gauged_at = now
            self._set_gauges()

    def _has_progressed(self, claim: Claim) -> bool:
        if claim.partition not in self._next_offsets:
            return True
        before, _ = self._next_offsets[claim.partition]
        # By partition, not by claim: a partition whose claims end one after the other makes no progress.
        return claim.state is ClaimState.READY and (claim.lag == 0 or claim.next_offset != before)

    def _has_new_report(self, claim: Claim) -> bool:
        before, _ = self._end_offset_reports.get(claim.partition, (None, 0.0))
        return before != claim.end_offset_reports

    def _log_new_halts(self) -> None:
        halted, known = self.halted(), self._known_halts
        self._known_halts = set(halted)
        for partition in halted.keys() - known:
            _log.error(
                "A partition is halted until an operator resolves the cause",
                action="halted",
                partition=partition,
                reason=halted[partition],
            )

    def _set_gauges(self) -> None:
        self._lag.clear()
        self._halted.clear()
        for claim in self._claims:
            self._lag.labels(claim.partition).set(claim.lag)
            self._halted.labels(claim.partition).set(claim.state is ClaimState.HALTED)

    def halted(self) -> dict[int, str]:
        """The halted partitions, each with the reason."""
        return {c.partition: c.halt_reason for c in self._claims if c.state is ClaimState.HALTED}

    def stalled(self) -> list[Claim]:
        """The claims with records left to store and no progress for `stall_s`; halted ones are not among them."""
        deadline = time.monotonic() - self._stall_s
        progressed = {partition: at for partition, (_, at) in list(self._next_offsets.items())}
        return [
            claim
            for claim in self._claims
            if claim.state is not ClaimState.HALTED and progressed.get(claim.partition, deadline) < deadline
        ]

    def stale_end_offsets(self) -> list[int]:
        """The partitions whose end offset Kafka has not reported for too long: their lag is unknown."""
        deadline = time.monotonic() - self._stale_s
        reports = list(self._end_offset_reports.items())
        return sorted(partition for partition, (_, reported_at) in reports if reported_at < deadline)

    def problems(self) -> list[str]:
        """What is wrong now, one sentence each; empty while the consumer is healthy."""
        found = [f"partition {partition} is halted: {reason}" for partition, reason in self.halted().items()]
        if self._refusal:
            found.append(self._refusal)
        for claim in self.stalled():
            why = f"lag {claim.lag}" if claim.state is ClaimState.READY else "its offsets could not be loaded"
            found.append(f"partition {claim.partition} has made no progress for {self._stall_s:g} s: {why}")
        if stale := self.stale_end_offsets():
            found.append(f"Kafka has not reported the end offsets of partitions {stale} for {self._stale_s:g} s")
        if time.monotonic() - self._loop_at > self._stall_s:
            found.append(f"the consume loop has not run for {self._stall_s:g} s")
        elif time.monotonic() - self._member_at > self._stall_s and not self._refusal:
            found.append(f"this consumer has not been a member of its group for {self._stall_s:g} s")
        return found
