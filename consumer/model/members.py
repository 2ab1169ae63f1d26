"""Members of the consumer group, as its coordinator describes them."""

from typing import NamedTuple


class Member(NamedTuple):
    """A member of the consumer group.

    Attributes:
        member_id: the id that the coordinator gave it.
        client_id: the name that its Kafka client sends.
        host: the address from which it is connected, as the coordinator shows it.
        partitions: the partitions of the topic that are assigned to it.
        is_consumer: it is a consumer of Agent Runs, of any version, and not another application.
    """

    member_id: str
    client_id: str
    host: str
    partitions: frozenset[int]
    is_consumer: bool
