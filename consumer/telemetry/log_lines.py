"""The log lines about refused records, and about the beginning and the end of a halt or a refusal."""

import time
from collections.abc import Mapping, Sequence

import structlog

from consumer.model.batches import Stored
from consumer.model.members import Member

_log = structlog.get_logger()

_REJECTIONS_LOGGED = 5  # per batch: a faulty producer must not flood the log


def log_rejections(stored: Stored) -> None:
    """Log the first rejections of a committed transaction, and the number of the others."""
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


def log_refused(reason: str) -> None:
    """Log that Kafka refuses this member of the group."""
    _log.error("Kafka refuses this consumer; trying to join again", action="refused", error=reason)


def log_accepted(reason: str, after_s: float) -> None:
    """Log that Kafka accepts this member again, after the refusal for this reason."""
    _log.info("Kafka accepts this consumer again", action="accepted", after_s=round(after_s, 1), reason=reason)


class HaltLines:
    """Logs each halt once."""

    def __init__(self) -> None:
        self._known: Mapping[int, str] = {}

    def update(self, halted: Mapping[int, str]) -> None:
        """Log the partitions, each with the reason, that were not halted at the last call."""
        for partition in halted.keys() - self._known.keys():
            _log.error(
                "A partition is halted until an operator resolves the cause",
                action="halted",
                partition=partition,
                reason=halted[partition],
            )
        self._known = halted


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
