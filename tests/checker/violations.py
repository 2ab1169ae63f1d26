"""The rules, with the short names under which violations are reported."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Rule(StrEnum):
    COMPLETENESS = "S1"  # every record below the watermark is an event, a dead letter or a repeat
    INVENTION = "S2"  # every row comes from a record that a reader of committed records can see
    UNIQUENESS = "S3"  # a record has one row, and an event id occurs once in its run
    GAP_FREE = "S4"  # event_seq is 0 … n-1 within the run, and event_count is n
    ORDER = "S5"  # event_seq follows the offsets, except for retried dead letters
    PROJECTION = "S6"  # a run's row is the fold of its events, column by column
    WATERMARK = "S7"  # consumer_offsets matches the log and the tables, including the number of repeats
    MONOTONIC = "S8"  # the stored offset never decreases, except where an operator accepted a loss
    SINGLE_WRITER = "S9"  # the committed batches of a partition are adjacent ranges of its log, without overlaps
    ATOMICITY = "S10"  # rows and the offset that passed them were committed by the same transaction
    FIDELITY = "S11"  # the stored columns hold what was sent
    REFERENCES = "S12"  # a parent run that is named has a row
    REPLAY = "S13"  # consuming records again changes no rows, and counts each record as a repeat
    PURITY = "S14"  # each dead letter is a record that must be rejected, with the right reason
    DETERMINISM = "S15"  # consuming the same log into another database gives the same rows
    VALIDITY = "J1"  # no record is stored as an event that the contract rejects
    ONE_PARTITION = "P1"  # all records of a key are in one partition; otherwise the order in a run is undefined


@dataclass(frozen=True)
class Violation:
    """One rule broken by one row, record or run."""

    rule: Rule
    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.rule} {self.rule.name.lower()}: {self.subject}: {self.message}"
