"""What an operator sees: log lines, metrics, health."""

import logging
import sys
import time
from collections.abc import Iterable

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from agent_runs.escaping import escape_line, escape_lines
from consumer.config import ServiceConfig
from consumer.errors import StoreError
from consumer.model.batches import Batch, Stored
from consumer.model.claims import Claim, ClaimState

_log = structlog.get_logger()

_LETTERS_LOGGED = 5  # of one batch: a bad deploy must not drown the log
_GAUGE_INTERVAL_S = 1.0
_BATCH_SIZES = (1, 10, 100, 500, 1000, 2000, 4000, 8000, 16000)


def set_up_logging(config: ServiceConfig) -> None:
    """Log lines go to standard error: a short sentence, and keys with a stable `action`."""
    console = [_make_plain, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(console if config.log_format == "console" else [structlog.processors.JSONRenderer()]),  # JSON escapes all
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[config.log_level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    if logging.lastResort is not None:  # where the words of libraries go
        logging.lastResort.setFormatter(_PlainFormatter())
    # The Kafka client calls every hiccup of a broker an error; what matters of it we say ourselves.
    logging.getLogger("aiokafka").setLevel(logging.DEBUG if config.log_level == "debug" else logging.CRITICAL)


def _make_plain(_: object, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A detail may quote what somebody sent, and structlog shows a text as it is when no space is in it."""
    return {key: escape_line(value) if isinstance(value, str) else value for key, value in line.items()}


class _PlainFormatter(logging.Formatter):
    """For errors with a traceback, whose last line may be anybody's."""

    def format(self, record: logging.LogRecord) -> str:
        return escape_lines(super().format(record))


class Observer:
    """Counts what happens, and knows whether all is well.

    Health is asked from another thread: it must be red just then when the event loop is stuck.
    """

    def __init__(self, stall_s: float, watch_interval_s: float = 10.0) -> None:
        self._stall_s = stall_s
        self._silence_s = watch_interval_s + stall_s  # the broker is asked no more often than that
        self._claims: list[Claim] = []
        self._known_halts: set[int] = set()
        self._progress: dict[int, tuple[int, float]] = {}
        self._heard: dict[int, tuple[int, float]] = {}
        self._beat_at = self._gauged_at = time.monotonic()
        self.registry = CollectorRegistry()
        self._events = Counter("agent_runs_events_stored", "Events stored.", registry=self.registry)
        self._repeats = Counter("agent_runs_repeats", "Records that repeated what is stored.", registry=self.registry)
        self._letters = Counter("agent_runs_dead_letters", "Records refused.", ["reason"], registry=self.registry)
        self._failures = Counter(
            "agent_runs_batch_failures", "Transactions that stored nothing.", ["error"], registry=self.registry
        )
        self._sizes = Histogram(
            "agent_runs_batch_records", "Records a transaction.", buckets=_BATCH_SIZES, registry=self.registry
        )
        self._lag = Gauge(
            "agent_runs_lag_records", "Records of the log, not stored yet.", ["partition"], registry=self.registry
        )
        self._halted = Gauge(
            "agent_runs_halted", "1: the partition waits for an operator.", ["partition"], registry=self.registry
        )

    def stored(self, batch: Batch, stored: Stored) -> None:
        """A transaction was committed."""
        self._events.inc(stored.events)
        self._repeats.inc(stored.repeats)
        self._sizes.observe(sum(slice_.records for slice_ in batch))
        for letter in stored.new_dead_letters:
            self._letters.labels(letter.reason).inc()
        for letter in stored.new_dead_letters[:_LETTERS_LOGGED]:
            _log.warning(
                "A record was refused",
                action="dead_letter",
                partition=letter.record.partition,
                offset=letter.record.offset,
                reason=letter.reason.value,
                detail=letter.detail,
            )
        if len(stored.new_dead_letters) > _LETTERS_LOGGED:
            more = len(stored.new_dead_letters) - _LETTERS_LOGGED
            _log.warning("More records were refused: see dead_letters", action="dead_letters", more=more)

    def failed(self, error: StoreError) -> None:
        """A transaction stored nothing."""
        self._failures.labels(type(error).__name__).inc()

    def beat(self, claims: Iterable[Claim]) -> None:
        """The loop has come round, with these claims."""
        now = time.monotonic()
        self._beat_at = now
        self._claims = list(claims)
        self._progress = {
            claim.partition: (claim.next_offset, now) if self._moved(claim) else self._progress[claim.partition]
            for claim in self._claims
        }
        self._heard = {
            claim.partition: (claim.end_offset_reports, now) if self._has_heard(claim) else self._heard[claim.partition]
            for claim in self._claims
        }
        halted, known = self.halted(), self._known_halts
        self._known_halts = set(halted)
        for partition in halted.keys() - known:
            _log.error(
                "A partition is halted, until an operator has seen to it",
                action="halted",
                partition=partition,
                reason=halted[partition],
            )
        if now - self._gauged_at < _GAUGE_INTERVAL_S:
            return
        self._gauged_at = now
        self._lag.clear()
        self._halted.clear()
        for claim in self._claims:
            self._lag.labels(claim.partition).set(claim.lag)
            self._halted.labels(claim.partition).set(claim.state is ClaimState.HALTED)

    def _moved(self, claim: Claim) -> bool:
        if claim.partition not in self._progress:
            return True
        before, _ = self._progress[claim.partition]
        # By partition, not by claim: one that is taken up again and again, and never gets on, stands still.
        return claim.state is ClaimState.READY and (claim.lag == 0 or claim.next_offset != before)

    def _has_heard(self, claim: Claim) -> bool:
        return claim.partition not in self._heard or self._heard[claim.partition][0] != claim.end_offset_reports

    def stalled(self) -> list[Claim]:
        """The claims that should get on, and have not for `stall_s`."""
        deadline = time.monotonic() - self._stall_s
        since = {partition: moved_at for partition, (_, moved_at) in list(self._progress.items())}
        return [
            claim
            for claim in self._claims
            if claim.state is not ClaimState.HALTED and since.get(claim.partition, deadline) < deadline
        ]

    def halted(self) -> dict[int, str]:
        """The partitions that wait for an operator, and why."""
        return {c.partition: c.halt_reason for c in self._claims if c.state is ClaimState.HALTED}

    def unheard(self) -> list[int]:
        """The partitions whose lag nobody knows: as far as we have heard they may be at their end."""
        deadline = time.monotonic() - self._silence_s
        return sorted(partition for partition, (_, heard_at) in list(self._heard.items()) if heard_at < deadline)

    def problems(self) -> list[str]:
        """What is wrong now, a sentence each; nothing when all is well."""
        found = [f"partition {partition} is halted: {reason}" for partition, reason in self.halted().items()]
        found += [
            f"partition {claim.partition} stands still, "
            + (f"with a lag of {claim.lag}" if claim.state is ClaimState.READY else "it could not be taken up")
            for claim in self.stalled()
        ]
        if unheard := self.unheard():
            found.append(f"Kafka has not said for {self._silence_s:g} s where partitions {unheard} end")
        if time.monotonic() - self._beat_at > self._stall_s:
            found.append(f"the loop has not come round for {self._stall_s:g} s")
        return found
