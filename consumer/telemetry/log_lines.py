"""The log lines about refused records, and about the beginning and the end of states of the consumer."""

import time
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import structlog

from consumer.model.batches import Stored
from consumer.model.claims import Claim, ClaimState
from consumer.model.members import Member

_log = structlog.get_logger()

_REJECTIONS_LOGGED: Final = 5  # per batch: a faulty producer must not flood the log
_KEY_CHARACTERS: Final = 100


def log_rejections(stored: Stored) -> None:
    """Log the first rejections of a committed transaction, and the number of the others."""
    for letter_id, rejection in stored.new_dead_letters[:_REJECTIONS_LOGGED]:
        _log.warning(
            "A record was refused: it is stored as a dead letter",
            action="dead_letter",
            id=letter_id,
            partition=rejection.record.partition,
            offset=rejection.record.offset,
            key=_shown_key(rejection.record.key),
            reason=rejection.reason.value,
            detail=rejection.detail,
        )
    more = len(stored.new_dead_letters) - _REJECTIONS_LOGGED
    if more > 0:
        text = "More records were refused; `agent-runs-consumer dead-letters list` shows them"
        _log.warning(text, action="dead_letters", more=more)


def _shown_key(key: bytes | None) -> str | None:
    """Return the beginning of a key as text. The log's formatter escapes control characters."""
    if key is None:
        return None
    # A character has at most 4 bytes, so these are enough to see whether the key is longer than what is shown.
    text = key[: 4 * _KEY_CHARACTERS + 4].decode("utf-8", errors="backslashreplace")
    return text if len(text) <= _KEY_CHARACTERS else f"{text[:_KEY_CHARACTERS]}…"


def log_refused(reason: str) -> None:
    """Log that Kafka refuses this member of the group."""
    _log.error("Kafka refuses this consumer; trying to join again", action="refused", error=reason)


def log_accepted(reason: str, after_s: float) -> None:
    """Log that Kafka accepts this member again, after the refusal for this reason."""
    _log.info("Kafka accepts this consumer again", action="accepted", after_s=round(after_s, 1), reason=reason)


def log_broken(error: str, wait_s: float) -> None:
    """Log that the Kafka client is replaced, after `wait_s` seconds."""
    text = "The Kafka client no longer works; creating a new one"
    _log.error(text, action="source_broken", wait_s=round(wait_s, 2), error=error)


def log_replaced(after_s: float) -> None:
    """Log that the group has this member again, with a new Kafka client."""
    _log.info("The new Kafka client is a member of the group", action="source_replaced", after_s=round(after_s, 1))


class _Halt(NamedTuple):
    """A halt that was logged: its reason, the claim's next offset, and the time of the first log line."""

    reason: str
    next_offset: int
    since: float


class HaltLines:
    """Logs each halt once, and its end.

    A halted partition is tried again from time to time. Its halt has ended when the partition has stored records, or
    has none left to store.
    """

    def __init__(self) -> None:
        self._halts: dict[int, _Halt] = {}

    def update(self, claims: Iterable[Claim]) -> None:
        """Log which partitions are halted or continue since the last call. `claims` are all of this process."""
        by_partition = {claim.partition: claim for claim in claims}
        for partition in list(self._halts):
            self._log_end(partition, by_partition.get(partition))
        for claim in by_partition.values():
            if claim.state is ClaimState.HALTED:
                self._log_begin(claim)

    def _log_begin(self, claim: Claim) -> None:
        known = self._halts.get(claim.partition)
        if known is not None and known.reason == claim.halt_reason:
            return
        since = time.monotonic() if known is None else known.since
        self._halts[claim.partition] = _Halt(claim.halt_reason, claim.next_offset, since)
        _log.error(
            "A partition is halted until an operator resolves the cause",
            action="halted",
            partition=claim.partition,
            reason=claim.halt_reason,
        )

    def _log_end(self, partition: int, claim: Claim | None) -> None:
        halt = self._halts[partition]
        if claim is None:
            text, action = "A halted partition is no longer assigned to this consumer", "unassigned"
        elif claim.state is ClaimState.READY and (claim.lag == 0 or claim.next_offset != halt.next_offset):
            text, action = "A halted partition continues", "continued"
        else:
            return
        del self._halts[partition]
        after_s = round(time.monotonic() - halt.since, 1)
        _log.info(text, action=action, partition=partition, after_s=after_s, reason=halt.reason)


class ForeignMemberLines:
    """Logs when a member of another application has partitions, and when it no longer has any."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def update(self, foreign: Sequence[Member]) -> None:
        """Log the members that were not among these at the last call, and the number of those that no longer are."""
        now = time.monotonic()
        for member in foreign:
            if member.member_id not in self._since:
                _log.error(
                    "Another application is a member of this consumer group, and the records of its partitions are "
                    "not stored; stop it, or set AGENT_RUNS_GROUP to a group that only these consumers use",
                    action="foreign_member",
                    client_id=member.client_id,
                    host=member.host,
                    partitions=sorted(member.partitions),
                )
        current = {member.member_id for member in foreign}
        for member_id in self._since.keys() - current:
            after_s = round(now - self._since[member_id], 1)
            text = "The other application has no more partitions of this consumer group"
            _log.info(text, action="foreign_member_left", member=member_id, after_s=after_s)
        self._since = {member_id: self._since.get(member_id, now) for member_id in current}
