"""A foreign producer of the machine: it publishes until it is told to stop, and writes down what became of what.

python -m tests.nemesis.producer LEDGER SEED RATE

One of three threads keeps to the rate with an idempotent client, one is sloppy (no idempotence, little patience), one
speaks in transactions and takes back about every third.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from threading import Event
from time import monotonic

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Report

from tests.checker.log import Place
from tests.nemesis.faults.operators import SMALL_BYTES
from tests.nemesis.world import MAX_MESSAGE_BYTES
from tests.support.corpus import Message, corpus, scripts
from tests.support.foreign_producer import foreign_producer
from tests.support.ledgers.produced import Outcome, line
from tests.support.workloads.stories import new_id
from tests.support.workloads.troubled import bulky, ordinary, without_end

SLOPPY_SHARE = 0.2
TRANSACTIONAL_SHARE = 0.1
BURST = 400  # at most: after an outage it catches up
TICK_S = 0.05
ALL_OF_IT_S = 120.0
LARGEST_SPECIMEN = 150_000

Note = Callable[[Outcome, Message, Place | None], None]


class Voice:
    """One client, and how fast it speaks."""

    def __init__(self, rate: float, messages: Iterator[Message], note: Note, topic: str) -> None:
        self._rate = rate
        self._messages = messages
        self._note = note
        self._topic = topic
        self._sent = 0

    def due(self, began: float) -> list[Message]:
        """What should have been said by now."""
        behind = int((monotonic() - began) * self._rate) - self._sent
        messages = list(islice(self._messages, max(0, min(behind, BURST))))
        self._sent += len(messages)
        return messages

    def send(self, client: Producer, message: Message, told: Callable[[KafkaError | None, Report], None]) -> None:
        """Hand it to the client, who says later what became of it."""
        while True:
            try:
                client.produce(self._topic, message.value, message.key, on_delivery=told, headers=[*message.headers])
            except BufferError:
                client.poll(TICK_S)
            else:
                return

    def told(self, message: Message, error: KafkaError | None, report: Report) -> None:
        """A message's fate is known, as far as it will ever be."""
        if error is None:
            self._note(Outcome.ACKED, message, _place(report))
        elif len(message.value or b"") > 2 * MAX_MESSAGE_BYTES:
            self._note(Outcome.FAILED, message, None)
        else:
            self._note(Outcome.UNKNOWN, message, None)

    def speak(self, make: Callable[[], Producer], stop: Event) -> None:
        """Until told to stop; then wait for the fates of all that was said."""
        began, client = monotonic(), make()
        while not stop.is_set():
            for message in self.due(began):
                try:
                    self.send(client, message, partial(self.told, message))
                except KafkaException:
                    # An idempotent client whose numbers the broker does not take any more gives up for good.
                    client.flush(ALL_OF_IT_S)  # what it has not sent gets its fate
                    client = make()
                    self.send(client, message, partial(self.told, message))
            client.poll(TICK_S)
        left = client.flush(ALL_OF_IT_S)
        assert not left, f"{left} messages without an answer"

    def speak_in_transactions(self, make: Callable[[], Producer], rng: Random, stop: Event) -> None:
        """A client that had to give up is made anew: that ends what it left open."""
        began, client = monotonic(), make()
        while not stop.wait(rng.uniform(0.2, 1)):
            messages, places = self.due(began), list[tuple[Message, Place]]()
            try:
                client.begin_transaction()
                for message in messages:
                    self.send(client, message, partial(_keep, places, message))
                outcome = _end(client, abort=rng.random() < 0.35)
            except KafkaException:
                outcome, client = Outcome.UNKNOWN, make()
            if outcome is Outcome.ACKED:
                for message, place in places:
                    self._note(outcome, message, place)
            else:
                for message in messages:
                    self._note(outcome, message, None)


def _end(client: Producer, *, abort: bool) -> Outcome:
    """Commit or abort, again where the client says that it may be tried again."""
    while True:
        try:
            if abort:
                client.abort_transaction(ALL_OF_IT_S)
                return Outcome.ABORTED
            client.commit_transaction(ALL_OF_IT_S)
        except KafkaException as failure:
            error = failure.args[0]
            if error.txn_requires_abort():
                abort = True
            elif not error.retriable():
                raise
        else:
            return Outcome.ACKED


def _keep(places: list[tuple[Message, Place]], message: Message, error: KafkaError | None, report: Report) -> None:
    if error is None:
        places.append((message, _place(report)))


def _place(report: Report) -> Place:
    partition, offset = report.partition(), report.offset()
    assert partition is not None  # an acknowledged message has both
    assert offset is not None
    return Place(partition, offset)


def hostile(rng: Random) -> Iterator[Message]:
    """Ordinary and repeated and conflicting events without end, and now and then something of the corpus."""
    specimens = [one for one in corpus() if len(one.value("") or b"") < LARGEST_SPECIMEN]
    for message in without_end(rng):
        yield message
        draw = rng.random()
        if draw < 0.001:
            yield rng.choice(specimens).message(new_id(rng).encode(), new_id(rng))
        elif draw < 0.0015:
            yield from rng.choice(scripts()).messages(new_id(rng).encode(), new_id(rng))
        elif draw < 0.004:
            yield bulky(rng, 1, 2 * SMALL_BYTES)[0]
        elif draw < 0.0042:
            yield Message(b"large", rng.randbytes(MAX_MESSAGE_BYTES + 1).hex().encode())


def main(ledger: int, seed: str, rate: float) -> None:
    """Until SIGTERM."""
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    servers, topic = os.environ["KAFKA_BOOTSTRAP_SERVERS"], os.environ["AGENT_RUNS_TOPIC"]

    def note(outcome: Outcome, message: Message, place: Place | None) -> None:
        os.write(ledger, line(outcome, message, place).encode())

    def voice(name: str, share: float, messages: Callable[[Random], Iterator[Message]]) -> Voice:
        return Voice(rate * share, messages(Random(f"{seed}:{name}")), note, topic)

    def transactional() -> Producer:
        settings: dict[str, str | int | bool] = {"transactional.id": seed, "transaction.timeout.ms": 10_000}
        client = foreign_producer(servers, log_level=0, **settings)
        client.init_transactions(ALL_OF_IT_S)
        return client

    careful = voice("careful", 1 - SLOPPY_SHARE - TRANSACTIONAL_SHARE, hostile)
    sloppy, in_transactions = voice("sloppy", SLOPPY_SHARE, hostile), voice("txn", TRANSACTIONAL_SHARE, ordinary)
    impatient: dict[str, str | int | bool] = {
        "enable.idempotence": False,
        "acks": 1,
        "message.timeout.ms": 2_500,
        "socket.timeout.ms": 1_000,
    }
    with ThreadPoolExecutor(3) as threads:
        speaking = [
            threads.submit(careful.speak, partial(foreign_producer, servers, log_level=0), stop),
            threads.submit(sloppy.speak, partial(foreign_producer, servers, log_level=0, **impatient), stop),
            threads.submit(in_transactions.speak_in_transactions, transactional, Random(f"{seed}:ends"), stop),
        ]
        for voices in as_completed(speaking):
            voices.result()


if __name__ == "__main__":
    with Path(sys.argv[1]).open("ab", buffering=0) as file:
        main(file.fileno(), sys.argv[2], float(sys.argv[3]))
