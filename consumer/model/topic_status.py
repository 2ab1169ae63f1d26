"""What is known about all partitions of the topic, whichever consumer owns them."""

from typing import NamedTuple

from consumer.model.members import Member


class OpenTransaction(NamedTuple):
    """A transaction that a producer has begun and not ended; consumers read no record behind its start.

    Attributes:
        start_offset: of its first record in the partition.
        producer_id: Kafka's id of the producer; None if Kafka does not report it.
        epoch: the producer's epoch; None if Kafka does not report it.
        transactional_id: the `transactional.id` of the producer; None if Kafka does not report it.
        begun_ms: when its first record was written, in milliseconds since 1970; None if that is not known.
    """

    start_offset: int
    producer_id: int | None = None
    epoch: int | None = None
    transactional_id: str | None = None
    begun_ms: int | None = None

    @property
    def producer(self) -> str:
        """The producer in words, as far as Kafka reports it."""
        if self.producer_id is None:
            return "a producer that Kafka does not name"
        name = "" if self.transactional_id is None else f" with transactional.id {self.transactional_id!r}"
        return f"producer {self.producer_id}{name}, epoch {self.epoch}"


class WatchedPartition(NamedTuple):
    """One partition of the topic.

    Attributes:
        next_offset: the stored offset, or the start of the log if it is behind that or nothing is stored yet.
        end_offset: the high watermark of the log.
        oldest_ms: when the first record that is not stored was written, in milliseconds since 1970; None if there is
            none, or the broker does not return it.
        owner: the member of the group to which the partition is assigned; None if there is none, or if
            `TopicStatus.owners_known` is false.
        transaction: the transaction that blocks records from being consumed.
    """

    partition: int
    next_offset: int
    end_offset: int
    oldest_ms: int | None = None
    owner: Member | None = None
    transaction: OpenTransaction | None = None

    @property
    def lag(self) -> int:
        """The offsets of the log that are not stored yet."""
        return max(0, self.end_offset - self.next_offset)


class TopicStatus(NamedTuple):
    """All partitions of the topic at one time, and the open dead letters.

    Attributes:
        read_ms: when it was read, in milliseconds since 1970.
        owners_known: the group is stable, and this login may describe it.
        open_dead_letters: how many dead letters are open; if more than 10,000, then 10,000.
        oldest_dead_letter_s: the age of the oldest open dead letter in seconds; None if none is open.
    """

    read_ms: int
    partitions: tuple[WatchedPartition, ...]
    owners_known: bool
    open_dead_letters: int
    oldest_dead_letter_s: float | None
