"""What is to be sent: what the delivery's thread and the sessions that follow each other in it have in common."""

from collections.abc import Sequence
from threading import Event
from typing import TYPE_CHECKING

from agent_runs.emitter.outage import Outage
from agent_runs.emitter.records import Record
from agent_runs.emitter.send_queue import Outbox
from agent_runs.emitter.settings import Config

if TYPE_CHECKING:
    from agent_runs.emitter.bell import Bell


class Work:
    """One process's.

    Attributes:
        outbox: where records come from.
        backlog: taken by a session that has ended, and not settled.
        bell: wakes the session that is under way, if there is one.
    """

    def __init__(self, outbox: Outbox, config: Config) -> None:
        self.outbox = outbox
        self.config = config
        self.outage = Outage()
        self.backlog: list[Record] = []
        self.bell: Bell | None = None
        self._stopped = Event()
        self._ends_when_empty = False

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to do."""
        return self._stopped.is_set() or (self._ends_when_empty and self.outbox.is_empty)

    def take(self) -> list[Record]:
        """What is to be sent next, in order."""
        backlog, self.backlog = self.backlog, []
        return backlog or self.outbox.take()

    def acknowledged(self, records: Sequence[Record]) -> None:
        """Kafka has these."""
        self.outbox.settle(records)
        self.outage.end()

    def ring(self) -> None:
        """Wake the session."""
        bell = self.bell
        if bell is not None:
            bell.ring()

    def stop(self) -> None:
        """It is over, whatever is pending."""
        self._stopped.set()
        self.ring()

    def stop_when_empty(self) -> None:
        """It is over once nothing is pending."""
        self._ends_when_empty = True
        self.ring()

    def pause(self) -> None:
        """Wait before the next attempt, or until it is over."""
        if not self.is_over:
            self._stopped.wait(self.outage.next_pause_s())
