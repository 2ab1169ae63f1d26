"""What still has to be written, partition by partition."""

from collections import deque
from collections.abc import Iterable, Sequence

from consumer.config import IngestConfig
from consumer.model.batches import Slice
from consumer.model.claims import Claim, ClaimState
from consumer.model.records import Rejection
from consumer.partitions.circuit_breaker import trip_reason
from consumer.runtime.retrying import retry_delay_s


class Queue:
    """The slices of one claim that wait to be written, in order, and how the first of them fared.

    Attributes:
        doubted: something failed in its lane since its last success: it is written in a transaction of its own.
        look_first: a repeat was met: ids are looked up before events are copied, for as long as more repeats come.
            Otherwise a whole topic that is consumed again would be copied twice.
        failures: of the first slice, in a row.
        losses: of the connection, while the first slice was written.
        tries: of the first slice that an error should have been mended by; the world's failures are none.
        not_before: when to try again, in the event loop's time.
    """

    def __init__(self, claim: Claim, config: IngestConfig) -> None:
        self.claim = claim
        self._config = config
        self.slices: deque[Slice] = deque()
        self._writing = False
        self.doubted = False
        self.look_first = False
        self.failures = 0
        self.losses = 0
        self.tries = 0
        self.not_before = 0.0

    @property
    def alive(self) -> bool:
        """Whether what it holds may still be written."""
        return self.claim.state is ClaimState.READY

    def waiting(self) -> list[Slice]:
        """What is not being written yet."""
        return list(self.slices)[1 if self._writing else 0 :]

    def append(self, piece: Slice) -> None:
        """Take in what was fetched: as part of the last slice where it fits, in slices of a batch's size."""
        too_large = -(-piece.size_bytes // self._config.batch_bytes)
        for part in piece.split(too_large) if too_large > 1 else [piece]:
            if self._fits(part):
                self.slices[-1].extend(part)
            else:
                self.slices.append(part)

    def _fits(self, piece: Slice) -> bool:
        if len(self.slices) <= self._writing:
            return False  # what is being written can't grow
        last = self.slices[-1]
        return (
            last.records + piece.records <= self._config.batch_records
            and last.size_bytes + piece.size_bytes <= self._config.batch_bytes
        )

    def begin(self) -> Slice:
        """The first slice, which is now being written."""
        self._writing = True
        self.claim.idle.clear()
        return self.slices[0]

    def end(self) -> None:
        """Nothing of it is being written any more."""
        self._writing = False
        self.claim.idle.set()

    def succeed(self, letters: Iterable[Rejection]) -> None:
        """The first slice is stored, and these letters with it."""
        stored = self.slices.popleft()
        self.claim.next_offset = stored.ends
        self.claim.last = stored.last or self.claim.last
        # From the first record on: a topic made anew before the first look at it would otherwise go unnoticed.
        self.claim.anchor = self.claim.anchor or self.claim.last
        self.doubted = False
        self.failures = self.losses = self.tries = 0
        self.not_before = 0.0
        self._guard(letters)

    def _guard(self, letters: Iterable[Rejection]) -> None:
        """Halt if too many of the last records were refused."""
        refused = self.claim.refused
        own = (letter for letter in letters if letter.record.partition == self.claim.partition)
        refused.extend((letter.record.offset, letter.reason) for letter in own)
        while refused and refused[0][0] < self.claim.next_offset - self._config.breaker_records:
            refused.popleft()
        if problem := trip_reason((reason for _, reason in refused), self._config):
            self.claim.halt(problem)

    def fail(self, now: float) -> None:
        """The first slice is not stored: again, later."""
        self.not_before = now + retry_delay_s(self.failures)
        self.failures += 1

    def replace_first(self, pieces: Sequence[Slice]) -> None:
        """Go on with these instead of the first slice, whose records they hold."""
        self.slices.popleft()
        self.slices.extendleft(reversed(pieces))
        self.losses = self.tries = 0
