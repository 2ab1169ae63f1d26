"""The state that metrics and health describe: the claims, the membership, and when each of them last changed."""

import time
from collections.abc import Iterable, Mapping, Sequence

from consumer.model.claims import Claim, ClaimState
from consumer.model.members import Member
from consumer.model.topic_status import OpenTransaction, TopicStatus
from consumer.telemetry.topic_state import TopicState


class State:
    """Records what the tasks of this process report, and when.

    The HTTP server reads it from threads of its own: health must turn red even when the event loop is blocked. So each
    method assigns new collections, and none changes a collection in place. Times are of `time.monotonic`.

    Attributes:
        stall_s: after this time without progress, something is wrong.
        stale_s: after this time without a report of a partition's end, its lag is not known.
        open_transaction_s: after this time, an open transaction is a problem.
        claims: the claims at the last round of the consume loop.
        is_member: the group has this member.
        refusal: why Kafka refuses this member of the group; empty unless it does.
        members: the members of the group, as last read.
        topic: the state of all partitions of the topic.
    """

    def __init__(self, stall_s: float, watch_interval_s: float, open_transaction_s: float) -> None:
        self.stall_s = stall_s
        self.stale_s = watch_interval_s + stall_s  # the end offsets are requested once per watch interval
        self.open_transaction_s = open_transaction_s
        self.claims: Sequence[Claim] = ()
        self.is_member = False
        self.refusal = ""
        self.members: Sequence[Member] = ()
        self.topic = TopicState()
        # By partition: a value, and when it last changed.
        self._next_offsets: Mapping[int, tuple[int, float]] = {}
        self._end_offset_reports: Mapping[int, tuple[int, float]] = {}
        self._loop_at = self._member_at = self._alive_at = time.monotonic()
        self._unowned_since: float | None = None

    def on_loop(self, claims: Iterable[Claim], *, is_member: bool) -> None:
        """Record that the consume loop completed a round, the state of its claims, and if the group has this member."""
        now = time.monotonic()
        self._loop_at = self._alive_at = now
        self.is_member = is_member
        if is_member:
            self._member_at, self.refusal = now, ""
        self.claims = tuple(claims)
        self._next_offsets = {
            claim.partition: (claim.next_offset, now)
            if self._has_progressed(claim)
            else self._next_offsets[claim.partition]
            for claim in self.claims
        }
        self._end_offset_reports = {
            claim.partition: (claim.end_offset_reports, now)
            if self._has_new_report(claim)
            else self._end_offset_reports[claim.partition]
            for claim in self.claims
        }

    def _has_progressed(self, claim: Claim) -> bool:
        if claim.partition not in self._next_offsets:
            return True
        before, _ = self._next_offsets[claim.partition]
        # By partition, not by claim: a partition whose claims end one after the other makes no progress.
        return claim.state is ClaimState.READY and (claim.lag == 0 or claim.next_offset != before)

    def _has_new_report(self, claim: Claim) -> bool:
        before, _ = self._end_offset_reports.get(claim.partition, (None, 0.0))
        return before != claim.end_offset_reports

    def on_event_loop(self) -> None:
        """Record that the event loop runs."""
        self._alive_at = time.monotonic()

    def on_topic(self, status: TopicStatus | None) -> None:
        """Record the status of the topic; None if it could not be read."""
        self.topic.update(status, self.claims)

    def leave(self) -> None:
        """Record that this process has left the group, until `on_loop` reports a membership."""
        self.is_member = False

    def refuse(self, reason: str) -> None:
        """Record that Kafka refuses this member of the group, until `on_loop` reports a membership."""
        self.refusal = reason

    def on_group(self, members: Sequence[Member]) -> None:
        """Record the members of the group, read while it was not rebalancing."""
        self.members = tuple(members)
        owned = not members or any(member.is_consumer and member.partitions for member in members)
        self._unowned_since = None if owned else self._unowned_since or time.monotonic()

    def foreign_members(self) -> list[Member]:
        """The members of other applications that have partitions of the topic."""
        return [member for member in self.members if member.partitions and not member.is_consumer]

    def halted(self) -> dict[int, str]:
        """The halted partitions, each with the reason."""
        return {c.partition: c.halt_reason for c in self.claims if c.state is ClaimState.HALTED}

    def stalled(self) -> list[Claim]:
        """The claims with records left to store and no progress for `stall_s`; halted ones are not among them."""
        deadline = time.monotonic() - self.stall_s
        next_offsets = self._next_offsets
        return [
            claim
            for claim in self.claims
            if claim.state is not ClaimState.HALTED and next_offsets.get(claim.partition, (0, deadline))[1] < deadline
        ]

    def stale_end_offsets(self) -> list[int]:
        """The partitions whose end offset Kafka has not reported for too long: their lag is unknown."""
        deadline = time.monotonic() - self.stale_s
        reports = self._end_offset_reports.items()
        return sorted(partition for partition, (_, reported_at) in reports if reported_at < deadline)

    def long_transactions(self) -> dict[int, tuple[OpenTransaction, float]]:
        """The transactions that have been open for `open_transaction_s`, by partition, each with its age in seconds."""
        transactions = self.topic.open_transactions(self.claims)
        return {number: each for number, each in transactions.items() if each[1] >= self.open_transaction_s}

    def since_event_loop_s(self) -> float:
        """The seconds since the event loop last ran, as far as reported."""
        return time.monotonic() - self._alive_at

    def since_loop_s(self) -> float:
        """The seconds since the consume loop last completed a round."""
        return time.monotonic() - self._loop_at

    def since_member_s(self) -> float:
        """The seconds since this consumer was last known to be a member of its group."""
        return time.monotonic() - self._member_at

    def unowned_s(self) -> float:
        """The seconds since no consumer of the group has a partition; 0 while one has."""
        return time.monotonic() - self._unowned_since if self._unowned_since is not None else 0.0
