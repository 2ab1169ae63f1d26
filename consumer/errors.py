"""The errors of the service.

ConsumerError
├── UsageError           settings, a missing topic, a foreign database: exit code 2
├── OperatorNeeded       only an operator can decide: exit code 3
├── GaveUp               Kafka or PostgreSQL stayed unavailable for too long: exit code 4
├── KafkaClientBroken    the group's Kafka client must be replaced
│   └── MemberRefused    the group's coordinator refuses this member: retry with a new client
└── StoreError           PostgreSQL failed; `consumer.postgres.sqlstate` maps its errors to these
    ├── StaleOffsets     another process has moved the offsets: drop the batch
    ├── RepeatedIds      an event id is stored already: retry, looking ids up first
    ├── DataRefused      a record's data is not storable: find it, reject it, retry
    ├── NewConnection    retry on a new connection; more often than a few times, it is a bug
    └── Unavailable      wait, then retry; no record is the cause
        ├── Blocked      a lock was not granted in time
        └── ConnectionLost   during a statement: the stored offsets show whether it was committed
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consumer.model.batches import Stored


class ConsumerError(Exception):
    """Any error of the service."""


class UsageError(ConsumerError):
    """The command cannot work with these arguments or settings; the message states what to change."""


class OperatorNeeded(ConsumerError):
    """Continuing could lose or duplicate records; the message states what to examine."""


class GaveUp(ConsumerError):
    """Kafka or PostgreSQL stayed unavailable for as long as this command waits."""


class KafkaClientBroken(ConsumerError):
    """The Kafka client is in a state that it does not leave by itself."""


class MemberRefused(KafkaClientBroken):
    """Kafka refuses this member of the group; the message has Kafka's reason and the remedy."""


class StoreError(ConsumerError):
    """PostgreSQL did not execute a statement; the cause is the driver's exception."""


class StaleOffsets(StoreError):
    """The stored offsets are not at the start of the batch."""


class RepeatedIds(StoreError):
    """At least one event of the batch has an id that its run already has."""


class DataRefused(StoreError):
    """PostgreSQL refuses a value itself (SQLSTATE classes 22 and 54, and 23514)."""


class NewConnection(StoreError):
    """The error may belong to this connection alone: a cached plan, a statement that a pooler forgot."""


class Unavailable(StoreError):
    """PostgreSQL or Kafka cannot answer now."""


class Blocked(Unavailable):
    """A lock was not granted within `lock_timeout`."""


class ConnectionLost(Unavailable):
    """The connection ended before the answer arrived; the statement may have been executed.

    Attributes:
        outcome: what a transaction has stored if its COMMIT was executed; None if no COMMIT was sent.
    """

    def __init__(self, message: str, outcome: "Stored | None" = None) -> None:
        super().__init__(message)
        self.outcome = outcome
