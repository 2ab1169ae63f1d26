"""What a foreign producer says became of each message, and whether the log agrees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b

from tests.checker.log import Log, Place
from tests.support.corpus import Message

SHOWN = 5


class Outcome(StrEnum):
    """What the client reported."""

    ACKED = "acked"  # with a place in the log
    FAILED = "failed"  # refused for good
    ABORTED = "aborted"  # its transaction was
    UNKNOWN = "unknown"  # it may be in the log, or not


def mark(key: bytes | None, value: bytes | None) -> str:
    """What tells one message from another."""
    return blake2b(repr((key, value)).encode(), digest_size=12).hexdigest()


def line(outcome: Outcome, message: Message, place: Place | None = None) -> str:
    """One message's line in the ledger. Which run it is of stands in the log, under its mark."""
    where = f"{place.partition} {place.offset}" if place else "- -"
    return f"{outcome} {mark(message.key, message.value)} {where}\n"


@dataclass
class Ledger:
    """The lines of some producers, read again."""

    acked: list[tuple[Place, str]] = field(default_factory=list)
    marks: dict[Outcome, set[str]] = field(default_factory=lambda: {outcome: set() for outcome in Outcome})
    size: int = 0

    def read(self, lines: Iterable[str]) -> None:
        for text in lines:
            outcome, fingerprint, partition, offset = text.split()
            self.size += 1
            self.marks[Outcome(outcome)].add(fingerprint)
            if outcome == Outcome.ACKED:
                self.acked.append((Place(int(partition), int(offset)), fingerprint))

    def differences(self, log: Log, others: str) -> list[str]:
        """Where the log is not what the producers were told; runs whose id begins with `others` are not theirs."""
        found = {
            record.place: mark(record.key, record.value)
            for record in log.records
            if not (record.key or b"").startswith(others.encode())
        }
        present = set(found.values())
        known = self.marks[Outcome.ACKED] | self.marks[Outcome.UNKNOWN]
        places = [place for place, _ in self.acked]
        return [
            *_named(
                "acknowledged, and not in the log at its place",
                (str(place) for place, fingerprint in self.acked if found.get(place) != fingerprint),
            ),
            *_named("acknowledged twice at one place", ["yes"] if len(set(places)) < len(places) else []),
            *_named("in an aborted transaction, and in the log", self.marks[Outcome.ABORTED] & present),
            *_named("refused, and in the log", self.marks[Outcome.FAILED] & present),
            *_named(
                "in the log, and never sent, or not by any account that it arrived",
                (str(place) for place, fingerprint in found.items() if fingerprint not in known),
            ),
        ]


def _named(what: str, cases: Iterable[str]) -> Iterator[str]:
    cases = list(cases)
    if cases:
        yield f"S2 ledger: {what}: {len(cases)}, {cases[:SHOWN]}"
