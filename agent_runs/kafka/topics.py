"""The partitions of a topic: their numbers, and which of them holds the records of a key."""

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import UnknownTopicOrPartitionError, for_code
from aiokafka.partitioner import murmur2
from aiokafka.protocol.metadata import MetadataRequest

from agent_runs.errors import KafkaUnavailable


async def partitions_of(client: AIOKafkaClient, topic: str) -> list[int]:
    """Return the numbers of the partitions of a topic.

    The requests of consumers and producers let the broker create a missing topic with its defaults. This one does not.

    Raises:
        KafkaUnavailable: the topic does not exist.
        KafkaError: the broker refuses the request.
    """
    request = MetadataRequest([topic], allow_auto_topic_creation=False)
    ((code, _, _, partitions),) = (await client.send(client.get_random_node(), request)).topics
    if for_code(code) is UnknownTopicOrPartitionError:
        raise KafkaUnavailable(f"topic {topic!r} does not exist: create it with `agent-runs-consumer create-topic`")
    if code:
        raise for_code(code)(topic)
    return sorted(number for _, number, *_ in partitions)


def partition_of_key(key: bytes, partitions: int) -> int:
    """Return the partition that Java's default partitioner chooses for a key."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions
