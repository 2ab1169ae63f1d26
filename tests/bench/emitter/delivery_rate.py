"""Measures how many events/s one process delivers to a broker, with the emitter or with aiokafka's producer alone.

python -m tests.bench.emitter.delivery_rate emitter|aiokafka EVENTS BOOTSTRAP_SERVERS
"""

import asyncio
import json
import sys
from time import perf_counter
from typing import Final

from aiokafka import AIOKafkaProducer

from agent_runs import Emitter, RunEvent, UnknownEvent, decode_event
from tests.bench.emitter.targets import TOPIC
from tests.bench.workload import Message, messages

_SEED: Final = 1
_UNLIMITED: Final = 2**40
_DEADLINE_S: Final = 120


def main(library: str, events: int, bootstrap_servers: str) -> None:
    """Print the rate as JSON, in events/s."""
    generated = messages(_SEED, events)
    if library == "emitter":
        objects = [(message.run_id, decode_event(message.value)) for message in generated]
        seconds = _emit(objects, bootstrap_servers)
    else:
        seconds = asyncio.run(_produce(generated, bootstrap_servers))
    print(json.dumps({"events_per_s": events / seconds}))


def _emit(events: list[tuple[str, RunEvent | UnknownEvent]], bootstrap_servers: str) -> float:
    """Return the seconds to encode, validate, queue and deliver event objects, until the last acknowledgement."""
    emitter = Emitter(
        environ={}, bootstrap_servers=bootstrap_servers, topic=TOPIC, queue_bytes=_UNLIMITED, queue_events=_UNLIMITED
    )
    emitter.run("warm-up").run_completed()
    emitter.flush()
    started = perf_counter()
    for run_id, event in events:
        emitter.emit(run_id, event)
    unsent = emitter.flush(_DEADLINE_S)
    seconds = perf_counter() - started
    stats = emitter.stats()
    if unsent or stats.sent != len(events) + 1:
        raise RuntimeError(f"the emitter did not deliver every event within {_DEADLINE_S} s: {stats}")
    return seconds


async def _produce(generated: list[Message], bootstrap_servers: str) -> float:
    """Return the seconds to deliver encoded events, until the last acknowledgement.

    With the emitter's acks, compression and batch size, and a linger of 5 ms. Raises KafkaError if a delivery failed.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers,
        acks="all",
        compression_type="lz4",
        max_batch_size=512 * 1024,
        linger_ms=5,
    )
    async with producer:
        await producer.send_and_wait(TOPIC, b"warm-up", b"warm-up")
        started = perf_counter()
        deliveries = [await producer.send(TOPIC, message.value, message.run_id.encode()) for message in generated]
        await producer.flush()
        seconds = perf_counter() - started
        await asyncio.gather(*deliveries)  # raises the error of a failed delivery, which `flush` does not
    return seconds


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
