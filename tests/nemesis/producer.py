"""A foreign producer process: publishes until SIGTERM, and writes the outcome of each message to a ledger.

python -m tests.nemesis.producer LEDGER SEED RATE

It has three threads. One uses an idempotent client, one a client without idempotence and with short timeouts, and one
publishes in transactions and aborts about every third.
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
from tests.nemesis.environment import MAX_MESSAGE_BYTES
from tests.nemesis.faults.operators import SMALL_BYTES
from tests.support.corpus import corpus, duplicate_cases
from tests.support.foreign_producer import foreign_producer
from tests.support.ledgers.produced import Outcome, ledger_line
from tests.support.messages import Message
from tests.support.workloads.mixed import endless_mix, large_events, ordinary_events
from tests.support.workloads.runs import new_id

NON_IDEMPOTENT_SHARE = 0.2
TRANSACTIONAL_SHARE = 0.1
MAX_BURST = 400  # messages published at once when the thread is behind its rate, for example after an outage
TICK_S = 0.05
FLUSH_TIMEOUT_S = 120.0
MAX_SPECIMEN_BYTES = 150_000

WriteOutcome = Callable[[Outcome, Message, Place | None], None]


class PacedPublisher:
    """Publishes messages at a rate (messages a second), and writes the outcome of each."""

    def __init__(self, rate: float, messages: Iterator[Message], write: WriteOutcome, topic: str) -> None:
        self._rate = rate
        self._messages = messages
        self._write = write
        self._topic = topic
        self._sent = 0

    def due(self, began: float) -> list[Message]:
        """The messages that are due by now, at most MAX_BURST."""
        behind = int((monotonic() - began) * self._rate) - self._sent
        messages = list(islice(self._messages, max(0, min(behind, MAX_BURST))))
        self._sent += len(messages)
        return messages

    def send(
        self, client: Producer, message: Message, on_delivery: Callable[[KafkaError | None, Report], None]
    ) -> None:
        """Pass a message to the client, waiting while its queue is full."""
        while True:
            try:
                client.produce(
                    self._topic, message.value, message.key, on_delivery=on_delivery, headers=[*message.headers]
                )
            except BufferError:
                client.poll(TICK_S)
            else:
                return

    def on_delivery(self, message: Message, error: KafkaError | None, report: Report) -> None:
        """Write the outcome of a message; UNKNOWN if the client does not know whether it is in the log."""
        if error is None:
            self._write(Outcome.ACKED, message, _place(report))
        elif len(message.value or b"") > 2 * MAX_MESSAGE_BYTES:
            self._write(Outcome.FAILED, message, None)
        else:
            self._write(Outcome.UNKNOWN, message, None)

    def publish(self, make: Callable[[], Producer], stop: Event) -> None:
        """Publish until `stop` is set; then wait for the outcomes of all messages."""
        began, client = monotonic(), make()
        while not stop.is_set():
            for message in self.due(began):
                try:
                    self.send(client, message, partial(self.on_delivery, message))
                except KafkaException:
                    # An idempotent client whose sequence numbers the broker refuses fails permanently.
                    client.flush(FLUSH_TIMEOUT_S)  # calls `on_delivery` for its unsent messages
                    client = make()
                    self.send(client, message, partial(self.on_delivery, message))
            client.poll(TICK_S)
        left = client.flush(FLUSH_TIMEOUT_S)
        assert not left, f"{left} messages have no outcome"

    def publish_in_transactions(self, make: Callable[[], Producer], rng: Random, stop: Event) -> None:
        """Publish in transactions until `stop` is set. A failed client is replaced, which aborts its transaction."""
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
                    self._write(outcome, message, place)
            else:
                for message in messages:
                    self._write(outcome, message, None)


def _end(client: Producer, *, abort: bool) -> Outcome:
    """Commit or abort; retry while the error is retriable."""
    while True:
        try:
            if abort:
                client.abort_transaction(FLUSH_TIMEOUT_S)
                return Outcome.ABORTED
            client.commit_transaction(FLUSH_TIMEOUT_S)
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
    """An endless mix of ordinary, repeated and conflicting events, with a few messages of the corpus and large ones."""
    samples = [one for one in corpus() if len(one.value("") or b"") < MAX_SPECIMEN_BYTES]
    for message in endless_mix(rng):
        yield message
        draw = rng.random()
        if draw < 0.001:
            yield rng.choice(samples).message(new_id(rng).encode(), new_id(rng))
        elif draw < 0.0015:
            yield from rng.choice(duplicate_cases()).messages(new_id(rng).encode(), new_id(rng))
        elif draw < 0.004:
            yield large_events(rng, 1, 2 * SMALL_BYTES)[0]
        elif draw < 0.0042:
            yield Message(b"large", rng.randbytes(MAX_MESSAGE_BYTES + 1).hex().encode())


def main(ledger: int, seed: str, rate: float) -> None:
    """Publish until SIGTERM."""
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    servers, topic = os.environ["KAFKA_BOOTSTRAP_SERVERS"], os.environ["AGENT_RUNS_TOPIC"]

    def write(outcome: Outcome, message: Message, place: Place | None) -> None:
        os.write(ledger, ledger_line(outcome, message, place).encode())

    def publisher(name: str, share: float, messages: Callable[[Random], Iterator[Message]]) -> PacedPublisher:
        return PacedPublisher(rate * share, messages(Random(f"{seed}:{name}")), write, topic)

    def transactional() -> Producer:
        settings: dict[str, str | int | bool] = {"transactional.id": seed, "transaction.timeout.ms": 10_000}
        client = foreign_producer(servers, log_level=0, **settings)
        client.init_transactions(FLUSH_TIMEOUT_S)
        return client

    idempotent = publisher("idempotent", 1 - NON_IDEMPOTENT_SHARE - TRANSACTIONAL_SHARE, hostile)
    non_idempotent = publisher("non-idempotent", NON_IDEMPOTENT_SHARE, hostile)
    in_transactions = publisher("transactional", TRANSACTIONAL_SHARE, ordinary_events)
    short_timeouts: dict[str, str | int | bool] = {
        "enable.idempotence": False,
        "acks": 1,
        "message.timeout.ms": 2_500,
        "socket.timeout.ms": 1_000,
    }
    with ThreadPoolExecutor(3) as threads:
        publishing = [
            threads.submit(idempotent.publish, partial(foreign_producer, servers, log_level=0), stop),
            threads.submit(
                non_idempotent.publish, partial(foreign_producer, servers, log_level=0, **short_timeouts), stop
            ),
            threads.submit(in_transactions.publish_in_transactions, transactional, Random(f"{seed}:ends"), stop),
        ]
        for future in as_completed(publishing):
            future.result()


if __name__ == "__main__":
    with Path(sys.argv[1]).open("ab", buffering=0) as file:
        main(file.fileno(), sys.argv[2], float(sys.argv[3]))
