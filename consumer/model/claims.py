"""Claims: a claim is the assignment of one partition to this process, from assignment to revocation."""

import asyncio
from enum import Enum, auto

from consumer.model.records import Fingerprint


class ClaimState(Enum):
    """The states of a claim. A revoked claim is final: a later assignment makes a new one."""

    NEW = auto()  # assigned; the start offset is not loaded yet
    READY = auto()  # its records are fetched and written
    HALTED = auto()  # waits for an operator
    REVOKED = auto()  # taken away by the group, or continued by another process


class Claim:
    """One partition assigned to this process.

    Only the methods of this class change a claim; other code reads its attributes.

    Attributes:
        position: the offset of the next fetch.
        next_offset: the start of the next slice to write; the value in `consumer_offsets`, unless another process
            has moved it.
        end_offset: the end of the partition's log, as last reported by the broker.
        end_offset_reports: how often the broker has reported the end of the log. While this does not grow, the
            lag is not known.
        fingerprint: the fingerprint of the last record passed; None before the first record.
        anchor: the fingerprint of a stored record. If the log no longer holds that record, the topic was deleted and
            created again.
        halt_reason: why the claim is halted; empty in the other states.
        halts_with: why the claim halts as soon as everything before `position` is stored; empty if it does not.
        idle: set while no transaction of this claim is open; other code may wait for it.
    """

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.state = ClaimState.NEW
        self.position = 0
        self.next_offset = 0
        self.end_offset = 0
        self.end_offset_reports = 0
        self.fingerprint: Fingerprint | None = None
        self.anchor: Fingerprint | None = None
        self.halt_reason = self.halts_with = ""
        self.idle = asyncio.Event()
        self.idle.set()

    @property
    def lag(self) -> int:
        """How many offsets of the log are not stored yet, by the broker's last report."""
        return max(0, self.end_offset - self.next_offset)

    @property
    def fetchable(self) -> bool:
        """Whether records after `position` may be fetched."""
        return self.state is ClaimState.READY and not self.halts_with

    def begin(self, offset: int, fingerprint: Fingerprint | None) -> None:
        """Start fetching at the stored offset, which the log still has."""
        self.position = self.next_offset = offset
        self.fingerprint = self.anchor = fingerprint
        self.state = ClaimState.READY

    def fetched(self, position: int, end_offset: int) -> None:
        """Move `position` behind the fetched records; `end_offset` is the client's end of the log."""
        self.position = position
        self.end_offset = max(end_offset, position)

    def report_end_offset(self, end_offset: int) -> None:
        """Set the end of the log, as the broker has reported it."""
        self.end_offset = max(self.position, end_offset)
        self.end_offset_reports += 1

    def begin_transaction(self) -> None:
        """Clear `idle`: a transaction with records of this claim begins."""
        self.idle.clear()

    def end_transaction(self) -> None:
        """Set `idle`: the transaction was committed or rolled back, or its connection was lost."""
        self.idle.set()

    def stored(self, next_offset: int, fingerprint: Fingerprint | None) -> None:
        """Move `next_offset` behind the stored records. `fingerprint` is that of the last one, if any."""
        self.next_offset = next_offset
        self.fingerprint = fingerprint or self.fingerprint
        # If the claim began without an anchor, its first record becomes the anchor at once. If only
        # the next check of the log set it, a topic deleted and created again before that check would not be detected.
        self.anchor = self.anchor or self.fingerprint
        if self.halts_with and next_offset >= self.position:
            self.halt(self.halts_with)

    def move_anchor(self, fingerprint: Fingerprint | None) -> None:
        """Replace the anchor, which the log still held after the record with this fingerprint was stored."""
        self.anchor = fingerprint

    def halt(self, reason: str) -> None:
        """Stop fetching and writing until a check replaces the claim. A revoked claim stays revoked."""
        if self.state is not ClaimState.REVOKED:
            self.state, self.halt_reason = ClaimState.HALTED, reason

    def halt_when_stored(self, reason: str) -> None:
        """Stop fetching, and halt once everything before `position` is stored."""
        self.halts_with = reason
        if self.next_offset >= self.position:
            self.halt(reason)

    def revoke(self) -> None:
        """End the claim: its queued slices are never written."""
        self.state = ClaimState.REVOKED
