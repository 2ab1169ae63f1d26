"""The errors of the service.

ConsumerError
├── UsageError           wrong arguments or settings, an unsuitable topic or database: exit code 2
├── OperatorNeeded       no retry helps: exit code 3
├── GaveUp               Kafka or PostgreSQL stayed unavailable, or nothing was stored, for too long: exit code 4
├── RecordUnreadable     the Kafka client cannot parse a fetched record
├── KafkaClientBroken    the service replaces the consumer group's Kafka client
│   └── MemberRefused    the group's coordinator refuses this member: retry with a new client
└── StoreError           PostgreSQL failed; `consumer.postgres.sqlstate` maps SQLSTATEs to these classes
    ├── StaleOffsets     another process has moved the offsets: drop the claim, load the offsets again
    ├── RepeatedIds      an event id is already stored: look the ids up, retry
    ├── DataRefused      PostgreSQL refuses a row: reject the record if its value is the cause, else halt the partition
    ├── NewConnection    retry on a new connection
    ├── OutOfMemory      this process has too little memory for the batch: write smaller ones, then halt the partition
    └── Unavailable      wait, then retry; the Kafka modules raise it too
        ├── Blocked      a lock was not granted in time: terminate a stalled owner, or wait
        ├── TopicRefused     Kafka refuses access to the topic, until an operator grants it
        ├── LoginRefused     PostgreSQL or Kafka refuses the login; at the start, after a while: exit code 2
        └── ConnectionLost   the connection ended: the stored offsets show whether COMMIT was executed
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consumer.model.batches import Stored


class ConsumerError(Exception):
    """Any error of the service."""


class UsageError(ConsumerError):
    """The command cannot work with these arguments or settings; the message states what to change."""


class OperatorNeeded(ConsumerError):
    """No retry helps: halted partitions, lost records, an unexpected SQLSTATE, a bug. The message states the cause."""


class GaveUp(ConsumerError):
    """Kafka or PostgreSQL stayed unavailable, or no stored offset moved, for AGENT_RUNS_GIVE_UP_S seconds."""


class RecordUnreadable(ConsumerError):
    """The Kafka client cannot parse one of the fetched records; the message has its error."""


class KafkaClientBroken(ConsumerError):
    """The consumer group's Kafka client failed or fetches nothing; the service replaces it."""


class MemberRefused(KafkaClientBroken):
    """Kafka refuses this member of the group; the message has Kafka's reason and the remedy."""


class StoreError(ConsumerError):
    """The work was not done; after ConnectionLost it may have been. Each subclass has one way of recovery.

    Attributes:
        limit_exceeded: a time or memory limit ended the work, and a smaller batch may stay below it.
    """

    limit_exceeded = False


class StaleOffsets(StoreError):
    """The stored offset of at least one partition is not at the start of its slice."""


class RepeatedIds(StoreError):
    """An event id is already stored in its run, or occurs twice in the batch."""


class DataRefused(StoreError):
    """PostgreSQL refuses a row, and a retry fails again.

    Either a value cannot be stored, or an object of the table refuses the row: a constraint, an index, a trigger, a
    generated column, a policy.

    Attributes:
        names_object: whether the message names that object.
    """

    def __init__(self, message: str, *, names_object: bool = False) -> None:
        super().__init__(message)
        self.names_object = names_object


class NewConnection(StoreError):
    """A new connection may resolve the error.

    Examples: a stale cached plan, a prepared statement missing behind a pooler, a foreign key violation. After five
    retries, a lane handles it like DataRefused.
    """


class Unavailable(StoreError):
    """PostgreSQL or Kafka cannot do the work now; no record is known to be the cause."""

    def __init__(self, message: str, *, limit_exceeded: bool = False) -> None:
        super().__init__(message)
        self.limit_exceeded = limit_exceeded


class OutOfMemory(StoreError):
    """This process could not allocate the memory for a batch. The transaction was rolled back with its connection."""


class TopicRefused(Unavailable):
    """Kafka refuses this consumer access to the topic; the message has Kafka's reason and the remedy."""


class LoginRefused(Unavailable):
    """PostgreSQL refuses the login or the database, or Kafka the login; or a certificate is not accepted.

    The message has the remedy.
    """


class Blocked(Unavailable):
    """A lock was not granted within `lock_timeout`, or a run was started from another partition at the same time."""


class ConnectionLost(Unavailable):
    """The connection could not be used, or ended while an answer was awaited: the statement may have been executed.

    Attributes:
        outcome: what a transaction has stored if its COMMIT was executed; None if no COMMIT was sent.
    """

    def __init__(self, message: str, outcome: "Stored | None" = None, *, limit_exceeded: bool = False) -> None:
        super().__init__(message, limit_exceeded=limit_exceeded)
        self.outcome = outcome
