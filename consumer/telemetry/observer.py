"""The one object to which the tasks of the service report: updates the state, the metrics and the log."""

from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry

from consumer.errors import StoreError
from consumer.model.batches import Batch, Stored
from consumer.model.claims import Claim
from consumer.model.members import Member
from consumer.model.topic_status import TopicStatus
from consumer.telemetry import health
from consumer.telemetry.log_lines import (
    ForeignMemberLines,
    HaltLines,
    log_accepted,
    log_broken,
    log_refused,
    log_rejections,
    log_replaced,
)
from consumer.telemetry.metrics import Metrics
from consumer.telemetry.state import State
from consumer.telemetry.transaction_lines import TransactionLines


class Observer:
    """Passes what the service reports to the state, the metrics and the log lines, and answers with problems.

    The HTTP server calls the methods that return problems from threads of its own.
    """

    def __init__(self, stall_s: float, watch_interval_s: float = 10.0, open_transaction_s: float = 10.0) -> None:
        self._state = State(stall_s, watch_interval_s, open_transaction_s)
        self._metrics = Metrics(self._state)
        self._halt_lines = HaltLines()
        self._foreign_member_lines = ForeignMemberLines()
        self._is_broken = False
        self._transaction_lines = TransactionLines()

    @property
    def registry(self) -> CollectorRegistry:
        """The metrics."""
        return self._metrics.registry

    def stored(self, batch: Batch, stored: Stored) -> None:
        """Count a committed transaction, and log its first rejections."""
        self._metrics.stored(batch, stored)
        log_rejections(stored)

    def failed(self, error: StoreError) -> None:
        """Count a transaction that stored nothing."""
        self._metrics.failed(error)

    def refused(self, reason: str) -> None:
        """Record that Kafka refuses this member of the group, until `on_loop` reports a membership."""
        if reason != self._state.refusal:
            log_refused(reason)
        self._state.refuse(reason)

    def broken(self, error: str, wait_s: float) -> None:
        """Record that the Kafka client is replaced after `wait_s` seconds, until `on_loop` reports a membership."""
        log_broken(error, wait_s)
        self._is_broken = True

    def left(self) -> None:
        """Record that this process has left the group, until `on_loop` reports a membership."""
        self._state.leave()

    def on_group(self, members: Sequence[Member]) -> None:
        """Record the members of the group, read while it was not rebalancing."""
        self._state.on_group(members)
        self._foreign_member_lines.update(self._state.foreign_members())

    def on_topic(self, status: TopicStatus | None) -> None:
        """Record the status of all partitions of the topic; None if it could not be read."""
        self._state.on_topic(status)
        self._transaction_lines.update(self._state.long_transactions())

    def on_event_loop(self) -> None:
        """Record that the event loop runs."""
        self._state.on_event_loop()

    def on_loop(self, claims: Iterable[Claim], *, is_member: bool = True) -> None:
        """Record that the consume loop completed a round, the state of its claims, and if the group has this member."""
        if is_member and (reason := self._state.refusal):
            log_accepted(reason, self._state.since_member_s())
        if is_member and self._is_broken:
            log_replaced(self._state.since_member_s())
            self._is_broken = False
        self._state.on_loop(claims, is_member=is_member)
        self._halt_lines.update(self._state.claims)

    def halted(self) -> dict[int, str]:
        """The halted partitions, each with the reason."""
        return self._state.halted()

    def problems(self) -> list[str]:
        """What is wrong now, one sentence each; empty while the consumer is healthy."""
        return health.problems(self._state)

    def ready_problems(self) -> list[str]:
        """Why this consumer does not consume; empty if it is a member of its group and its partitions move."""
        return health.ready_problems(self._state)

    def live_problems(self) -> list[str]:
        """Why the process must be restarted; empty while its event loop runs."""
        return health.live_problems(self._state)
