"""What can go wrong in the service.

ConsumerError
├── UsageError           settings, a missing topic, a foreign database: exit code 2
├── OperatorNeeded       only a person can decide: exit code 3
├── GaveUp               the world did not come back in time: exit code 4
├── KafkaClientBroken    the Kafka client must be made anew
└── StoreError           what PostgreSQL answered, in our words
    ├── StaleOffsets     somebody else has moved on: the batch is void
    ├── RepeatedIds      an event id is stored already: again, looking ids up first
    ├── DataRefused      a record's data is not storable: find it, set it aside, again
    ├── NewConnection    once more on a new connection; twice is a fault
    └── Unavailable      the world: wait, then the same again; no record is to blame
        ├── Blocked      a lock was not given in time
        └── ConnectionLost   in the middle of it: the offsets know whether it happened
"""


class ConsumerError(Exception):
    """Whatever the service raises."""


class UsageError(ConsumerError):
    """The command cannot work as it was called; the message says what to do."""


class OperatorNeeded(ConsumerError):
    """Going on could lose or double records; the message says what to look at."""


class GaveUp(ConsumerError):
    """Kafka or PostgreSQL stayed out of reach for as long as this command waits."""


class KafkaClientBroken(ConsumerError):
    """The Kafka client is in a state that it does not leave by itself."""


class StoreError(ConsumerError):
    """PostgreSQL did not do it; the cause is the driver's exception."""


class StaleOffsets(StoreError):
    """The stored offsets are not where this batch begins."""


class RepeatedIds(StoreError):
    """At least one event of the batch has an id that its run has already."""


class DataRefused(StoreError):
    """PostgreSQL refuses a value itself (SQLSTATE classes 22 and 54, and 23514)."""


class NewConnection(StoreError):
    """What may be only this connection's trouble: a cached plan, a statement that a pooler forgot."""


class Unavailable(StoreError):
    """The database cannot do it now."""


class Blocked(Unavailable):
    """A lock was not given within `lock_timeout`."""


class ConnectionLost(Unavailable):
    """The connection ended before the answer came; what was asked may have happened."""
