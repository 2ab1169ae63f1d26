"""Compares the results that a foreign producer got for its messages with the log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b

from tests.checker.log import Log, Place
from tests.support.messages import Message

SHOWN = 5


class Outcome(StrEnum):
    """What the client reported for a message."""

    ACKED = "acked"  # acknowledged, with its place in the log
    FAILED = "failed"  # refused for good
    ABORTED = "aborted"  # its transaction was aborted
    UNKNOWN = "unknown"  # it may or may not be in the log


def message_digest(key: bytes | None, value: bytes | None) -> str:
    """A digest that identifies a message."""
    return blake2b(repr((key, value)).encode(), digest_size=12).hexdigest()


def ledger_line(outcome: Outcome, message: Message, place: Place | None = None) -> str:
    """The line of the ledger for one message. It identifies the message by its digest alone."""
    where = f"{place.partition} {place.offset}" if place else "- -"
    return f"{outcome} {message_digest(message.key, message.value)} {where}\n"


@dataclass
class Ledger:
    """The lines of one or more producers."""

    acked: list[tuple[Place, str]] = field(default_factory=list)
    digests: dict[Outcome, set[str]] = field(default_factory=lambda: {outcome: set() for outcome in Outcome})
    size: int = 0

    def read(self, lines: Iterable[str]) -> None:
        for text in lines:
            outcome, digest, partition, offset = text.split()
            self.size += 1
            self.digests[Outcome(outcome)].add(digest)
            if outcome == Outcome.ACKED:
                self.acked.append((Place(int(partition), int(offset)), digest))

    def differences(self, log: Log, others: str) -> list[str]:
        """Where the log contradicts the ledger. Runs whose id begins with `others` are left out."""
        found = {
            record.place: message_digest(record.key, record.value)
            for record in log.records
            if not (record.key or b"").startswith(others.encode())
        }
        in_log = set(found.values())
        expected = self.digests[Outcome.ACKED] | self.digests[Outcome.UNKNOWN]
        places = [place for place, _ in self.acked]
        return [
            *_problem(
                "acknowledged, but not in the log at that place",
                (str(place) for place, digest in self.acked if found.get(place) != digest),
            ),
            *_problem("acknowledged twice at one place", ["yes"] if len(set(places)) < len(places) else []),
            *_problem("in an aborted transaction, but in the log", self.digests[Outcome.ABORTED] & in_log),
            *_problem("refused, but in the log", self.digests[Outcome.FAILED] & in_log),
            *_problem(
                "in the log, but neither acknowledged nor of unknown outcome",
                (str(place) for place, digest in found.items() if digest not in expected),
            ),
        ]


def _problem(what: str, cases: Iterable[str]) -> Iterator[str]:
    cases = list(cases)
    if cases:
        yield f"S2 ledger: {what}: {len(cases)}, {cases[:SHOWN]}"
