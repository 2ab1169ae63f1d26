"""The rules that hold at every moment, each with the short name under which it is reported."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Rule(StrEnum):
    COMPLETENESS = "S1"  # every record below the watermark is an event, a dead letter or a repeat
    INVENTION = "S2"  # every row comes from a record that a reader of committed records can see
    UNIQUENESS = "S3"  # a record is in one place only, an event id once in its run
    GAP_FREE = "S4"  # event_seq is 0 … n-1 within the run, and event_count is n
    ORDER = "S5"  # event_seq follows the offsets, apart from dead letters that became events later
    PROJECTION = "S6"  # a run's row is the fold of its events, column by column
    WATERMARK = "S7"  # the offsets say exactly how far the tables are, and how many repeats were counted
    MONOTONIC = "S8"  # the stored offset never decreases, except where an operator accepted a loss
    SINGLE_WRITER = "S9"  # the committed batches of a partition are adjacent ranges of its log, no two overlap
    ATOMICITY = "S10"  # rows and the offset that passed them were committed by the same transaction
    FIDELITY = "S11"  # what is stored is what was sent
    REFERENCES = "S12"  # a parent run that is parents has a row
    REPLAY = "S13"  # consuming again changes nothing, and counts each record again as a repeat
    PURITY = "S14"  # nothing is a dead letter without a fault of its own, or for another reason than its own
    DETERMINISM = "S15"  # whoever consumes the same log writes the same rows
    VALIDITY = "J1"  # nothing is stored as an event that the contract refuses
    ONE_PARTITION = "P1"  # a key stays in one partition: else the order within a run is anybody's guess


@dataclass(frozen=True)
class Violation:
    """One rule broken by one row, record or run."""

    rule: Rule
    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.rule} {self.rule.name.lower()}: {self.subject}: {self.message}"
