"""A consumer that is stopped while it connects to a broker closes its connection."""

import asyncio
import gc
import socket
import warnings
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from agent_runs.settings import KafkaSettings
from consumer.kafka.group_consumer import GroupConsumer
from consumer.kafka.topic_reader import TopicReader
from consumer.settings import TopicConfig

DEADLINE_S = 60.0  # to connect, and to close the connection again


@pytest.fixture
def silent_broker() -> Iterator[socket.socket]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(DEADLINE_S)
        yield server


@pytest.mark.parametrize(
    "connect",
    [lambda kafka: GroupConsumer(kafka, TopicConfig()).start(), lambda kafka: TopicReader.open(kafka, "t")],
    ids=["GroupConsumer", "TopicReader"],
)
async def test_a_client_whose_start_is_cancelled_is_closed(
    silent_broker: socket.socket, connect: Callable[[KafkaSettings], Coroutine[Any, Any, Any]]
) -> None:
    # Given a client that waits for a broker's first answer,
    kafka = KafkaSettings(bootstrap_servers="{}:{}".format(*silent_broker.getsockname()))
    connecting = asyncio.create_task(connect(kafka))
    accepted, _ = await asyncio.to_thread(silent_broker.accept)
    gc.collect()  # what earlier tests have left must not be reported below
    with accepted, warnings.catch_warnings(record=True) as reported:
        warnings.simplefilter("always")
        # when it is cancelled,
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        # then the connection is closed,
        accepted.settimeout(DEADLINE_S)
        await asyncio.to_thread(_read_to_end, accepted)
        # and the client too: aiokafka reports a client that is deleted while it is open.
        del connecting
        gc.collect()
    assert [str(warning.message) for warning in reported] == []


def _read_to_end(connection: socket.socket) -> None:
    """Read until the peer has closed the connection; raises TimeoutError if it stays open."""
    while connection.recv(4096):
        pass
