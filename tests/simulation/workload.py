"""What is published: the ordinary and the hostile, in transactions and out of them, while everything else happens."""

from __future__ import annotations

from functools import cache
from random import Random
from zlib import crc32

from tests.simulation.topic import PartitionLog
from tests.simulation.world import World
from tests.support.corpus import Message, Specimen, corpus
from tests.support.workloads.troubled import troubled

SMALL = 2_000  # bytes: of the corpus, what costs no time
HOSTILE = 6
BETWEEN_S = (0.0, 0.05)
OPEN_S = (0.0, 0.6)


def messages(rng: Random, size: int) -> list[Message]:
    """So many, of which some come from the corpus of hostile records."""
    found = troubled(rng, max(1, size - HOSTILE))
    for number, specimen in enumerate(rng.sample(_specimens(), HOSTILE)):
        found.insert(rng.randrange(len(found)), specimen.message(b"hostile", f"h{number}"))
    return found


@cache
def _specimens() -> list[Specimen]:
    return [specimen for specimen in corpus() if _size(specimen.message(b"hostile", "h0")) < SMALL]


def _size(message: Message) -> int:
    headers = sum(len(name) + len(value or b"") for name, value in message.headers)
    return len(message.key or b"") + len(message.value or b"") + headers


async def publish(world: World, planned: list[Message], at_once: int) -> None:
    """Some before anybody consumes, the others one by one."""
    for number, message in enumerate(planned):
        log = _log_of(world, message)
        if not log.truncated:
            log.append(message, world.timestamp())
            if world.rng.random() < 0.1 and log.open_at is None:
                await _transact(world, log)
        if number >= at_once:
            await world.pause(BETWEEN_S)


async def _transact(world: World, log: PartitionLog) -> None:
    """A transaction of a few records, which are repeats of what came before if they are committed."""
    log.begin_transaction()
    said = [record for record in log.entries if record is not None]
    for record in world.rng.sample(said, min(len(said), world.rng.randint(0, 3))):
        log.append(Message(record.key, record.value), world.timestamp())
    await world.pause(OPEN_S)
    if log.open_at is not None:
        log.end_transaction(committed=world.rng.random() < 0.6)


def _log_of(world: World, message: Message) -> PartitionLog:
    place = world.rng.getrandbits(16) if message.key is None else crc32(message.key)
    return world.logs[place % len(world.logs)]
