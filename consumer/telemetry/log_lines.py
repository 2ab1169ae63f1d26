"""The log lines about refused records, and about the beginning and the end of a halt or a refusal."""

from collections.abc import Mapping

import structlog

from consumer.model.batches import Stored

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
