"""Publishes records that the Kafka client cannot parse."""

import aiokafka.producer.message_accumulator
import aiokafka.producer.producer
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from tests.support.messages import event


class NotUtf8(str):
    """A header name whose encoded bytes are not UTF-8."""

    __slots__ = ()

    def encode(self, encoding: str = "", errors: str = "") -> bytes:
        return b"\xff\xfe"


async def publish_batch(bootstrap_servers: str, topic: str, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Publish events in one batch to partition 0; those named `unreadable…` have a header name that is not UTF-8."""
    for module in (aiokafka.producer.message_accumulator, aiokafka.producer.producer):
        # The compiled builder encodes the names itself; the one in Python calls their `encode`.
        monkeypatch.setattr(module, "DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers, linger_ms=500) as producer:
        sends = [
            await producer.send(
                topic,
                event(name),
                b"run",
                partition=0,
                headers=[(NotUtf8("h") if name.startswith("unreadable") else "h", b"1")],
            )
            for name in names
        ]
        offsets = [(await sent).offset for sent in sends]
    assert offsets == list(range(offsets[0], offsets[0] + len(names)))
