"""A consumer that is stopped while it connects to a broker leaves no client open."""

import asyncio
import gc
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from agent_runs.settings import KafkaSettings
from consumer.kafka.group_consumer import GroupConsumer
from consumer.kafka.topic_reader import TopicReader
from consumer.settings import TopicConfig

CONNECTED_WITHIN_S = 5.0


@pytest.fixture
def silent_broker() -> Iterator[socket.socket]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(CONNECTED_WITHIN_S)
        yield server


@pytest.mark.parametrize(
    "connect",
    [lambda kafka: GroupConsumer(kafka, TopicConfig()).start(), lambda kafka: TopicReader.open(kafka, "t")],
    ids=["group", "log"],
)
async def test_a_connection_that_is_cancelled_while_it_is_made_is_closed(
    silent_broker: socket.socket, connect: Callable[[KafkaSettings], Coroutine[Any, Any, Any]]
) -> None:
    errors: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context["message"]))
    # Given a client that waits for a broker's first answer,
    kafka = KafkaSettings(bootstrap_servers="{}:{}".format(*silent_broker.getsockname()))
    connecting = asyncio.create_task(connect(kafka))
    accepted, _ = await asyncio.to_thread(silent_broker.accept)
    with accepted:
        # when it is cancelled,
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
    # then nothing reports later that it was left open.
    del connecting
    gc.collect()
    assert errors == []
