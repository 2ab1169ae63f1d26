"""Short ways to say something to the topic."""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaProducer

COMMON = {"parent_event_id": None, "timestamp": "2026-01-31T12:00:00.5+00:00"}
MINIMAL: Mapping[str, Mapping[str, object]] = {
    "input": {"tool": "message_from_user", "data": None},
    "run_started": {"agent_id": "agent"},
    "tool_requested": {"tool_name": "search", "tool_args": None},
    "events_dropped": {"count": 1},
}


class Message(NamedTuple):
    """A record before it is one. Without a partition it goes to the first: tests choose, no hash does."""

    key: bytes | None
    value: bytes | None
    partition: int = 0
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp_ms: int | None = None


def event(event_id: str, kind: str = "input", **fields: object) -> bytes:
    """The message of a valid event, as far as `fields` leave it one."""
    return json.dumps({"type": kind, "id": event_id, **COMMON, **MINIMAL.get(kind, {}), **fields}).encode()


def holding(event_id: str, data: bytes) -> bytes:
    """An `input` whose `data` is spelled exactly like this."""
    return event(event_id, data="DATA").replace(b'"DATA"', data)


def said(run_id: str, *event_ids: str, partition: int = 0) -> list[Message]:
    """One valid event of a run for each id."""
    return [Message(run_id.encode(), event(event_id), partition) for event_id in event_ids]


async def send(producer: AIOKafkaProducer, topic: str, messages: Sequence[Message]) -> None:
    """Hand over all messages in their order, then wait until the broker has them."""
    receipts = [
        await producer.send(
            topic,
            message.value,
            message.key,
            partition=message.partition,
            timestamp_ms=message.timestamp_ms,
            headers=list(message.headers),
        )
        for message in messages
    ]
    for receipt in receipts:
        await receipt


async def publish(bootstrap_servers: str, topic: str, messages: Sequence[Message], **options: object) -> None:
    """The same with a producer of its own; `options` are its settings."""
    # What is under test may refuse a large message, not the producer.
    options = {"max_request_size": 64 * 1024 * 1024, **options}
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers, **options) as producer:
        await send(producer, topic, messages)
