"""A consumer that is told to end while it waits for a broker to answer leaves no client behind."""

import asyncio
import gc
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from agent_runs.settings import KafkaSettings
from consumer.config import TopicConfig
from consumer.kafka.group_consumer import GroupConsumer
from consumer.kafka.topic_reader import TopicReader

CONNECTED_WITHIN_S = 5.0


@pytest.fixture
def mute_broker() -> Iterator[socket.socket]:
    """It takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(CONNECTED_WITHIN_S)
        yield server


@pytest.mark.parametrize(
    "connect",
    [lambda kafka: GroupConsumer(kafka, TopicConfig()).start(), lambda kafka: TopicReader.open(kafka, "t")],
    ids=["group", "log"],
)
async def test_a_connection_that_is_given_up_while_it_is_made_is_closed(
    mute_broker: socket.socket, connect: Callable[[KafkaSettings], Coroutine[Any, Any, Any]]
) -> None:
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
    # Given a client that waits for a broker's first answer,
    kafka = KafkaSettings(bootstrap_servers="{}:{}".format(*mute_broker.getsockname()))
    connecting = asyncio.create_task(connect(kafka))
    accepted, _ = await asyncio.to_thread(mute_broker.accept)
    with accepted:
        # when that is given up,
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
    # then nobody has to say later that it was left open.
    del connecting
    gc.collect()
    assert told == []
