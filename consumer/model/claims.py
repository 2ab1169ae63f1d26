"""Who owns what: one claim for each time that a partition is assigned to this process."""

import asyncio
from collections import deque
from enum import Enum, auto


class ClaimState(Enum):
    """The life of a claim, downwards; a lost claim never comes back, a new one takes its place."""

    NEW = auto()  # assigned; where to begin is not known yet
    READY = auto()  # its records are fetched and written
    HALTED = auto()  # only a person can decide how to go on
    LOST = auto()  # revoked, or somebody else has moved on


class Claim:
    """One ownership of one partition, from its assignment to its end.

    Attributes:
        position: where the next fetch begins.
        next_offset: where the next batch to be written begins: what `consumer_offsets` holds, as far as we know.
        heard: how often the broker has said where the partition's log ends.
        anchor: offset and timestamp of a record that was passed; a log where they differ is another log.
        refused: offset and reason of each record that was refused lately.
        idle: set while no transaction of this claim is under way.
    """

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.state = ClaimState.NEW
        self.position = 0
        self.next_offset = 0
        self.end_offset = 0
        self.heard = 0
        self.last: tuple[int, int] | None = None
        self.anchor: tuple[int, int] | None = None
        self.refused: deque[tuple[int, str]] = deque()
        self.halted_because = ""
        self.idle = asyncio.Event()
        self.idle.set()

    @property
    def lag(self) -> int:
        """Records in the log that are not stored yet, as last heard from the broker."""
        return max(0, self.end_offset - self.next_offset)

    def begin(self, offset: int, last: tuple[int, int] | None) -> None:
        """The stored offset is known and the log still has it: fetch from there."""
        self.position = self.next_offset = offset
        self.last = self.anchor = last
        self.state = ClaimState.READY

    def halt(self, reason: str) -> None:
        """Stop here until an operator has decided."""
        if self.state is not ClaimState.LOST:
            self.state, self.halted_because = ClaimState.HALTED, reason

    def lose(self) -> None:
        """It is not ours any more: what is queued for it is void."""
        self.state = ClaimState.LOST
