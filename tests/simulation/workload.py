"""The records of a schedule: ordinary and hostile ones, some in transactions, published while the consumers run."""

from __future__ import annotations

from functools import cache
from random import Random
from zlib import crc32

from tests.simulation.environment import Environment
from tests.simulation.kafka.topic import PartitionLog
from tests.support.corpus import Sample, corpus
from tests.support.messages import Message
from tests.support.workloads.mixed import mixed

MAX_SPECIMEN_BYTES = 2_000  # larger samples would slow the simulation down
HOSTILE = 6
BETWEEN_RECORDS_S = (0.0, 0.05)
TRANSACTION_S = (0.0, 0.6)


def messages(rng: Random, size: int) -> list[Message]:
    """`size` messages, HOSTILE of them from the corpus of hostile records."""
    found = mixed(rng, max(1, size - HOSTILE))
    for number, sample in enumerate(rng.sample(_samples(), HOSTILE)):
        found.insert(rng.randrange(len(found)), sample.message(b"hostile", f"h{number}"))
    return found


@cache
def _samples() -> list[Sample]:
    return [sample for sample in corpus() if _size(sample.message(b"hostile", "h0")) < MAX_SPECIMEN_BYTES]


def _size(message: Message) -> int:
    headers = sum(len(name) + len(value or b"") for name, value in message.headers)
    return len(message.key or b"") + len(message.value or b"") + headers


async def publish(env: Environment, planned: list[Message], before_start: int) -> None:
    """Append the first `before_start` messages at once, the others one by one with pauses."""
    for number, message in enumerate(planned):
        log = _log_of(env, message)
        if not log.truncated:
            log.append(message, env.timestamp())
            if env.rng.random() < 0.1 and log.open_transaction is None:
                await _publish_transaction(env, log)
        if number >= before_start:
            await env.random_delay(BETWEEN_RECORDS_S)


async def _publish_transaction(env: Environment, log: PartitionLog) -> None:
    """Append a transaction of up to three copies of earlier records, and commit or abort it."""
    log.begin_transaction()
    earlier = [record for record in log.entries if record is not None]
    for record in env.rng.sample(earlier, min(len(earlier), env.rng.randint(0, 3))):
        log.append(Message(record.key, record.value), env.timestamp())
    await env.random_delay(TRANSACTION_S)
    if log.open_transaction is not None:
        log.end_transaction(committed=env.rng.random() < 0.6)


def _log_of(env: Environment, message: Message) -> PartitionLog:
    place = env.rng.getrandbits(16) if message.key is None else crc32(message.key)
    return env.logs[place % len(env.logs)]
