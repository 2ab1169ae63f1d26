"""Fetches one record batch as bytes, without the Kafka client's parser."""

from agent_runs.kafka import batch_reader
from agent_runs.kafka.batch_reader import UnreadableBatch, fetch_batch_bytes
from agent_runs.kafka.errors import DamagedBatch
from agent_runs.settings import KafkaSettings
from consumer.errors import UsageError
from consumer.kafka.request_client import RequestClient


async def read_unreadable(
    kafka: KafkaSettings, topic: str, partition: int, offset: int, problem: str
) -> UnreadableBatch | None:
    """Return the rest of a batch whose record at `offset` the client cannot read; None if the log has none there.

    Args:
        kafka: how to reach the brokers.
        topic: the name of the topic.
        partition: the partition's number.
        offset: the offset of the record.
        problem: the client's error.

    Raises:
        Unavailable: no broker answers.
        UsageError: the header of the batch is damaged, so that the next batch cannot be found.
    """
    client = RequestClient(kafka, topic)

    async def fetch(at: int) -> bytes:
        return await client.run(lambda connected: fetch_batch_bytes(connected, topic, partition, at))

    try:
        return await batch_reader.read_unreadable(fetch, partition, offset, problem)
    except DamagedBatch as error:
        raise UsageError(str(error)) from error
    finally:
        await client.close()
