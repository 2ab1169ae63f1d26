"""Publishes messages, and the events of a run file, to a Kafka topic."""

import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from agent_runs.codec.decode import read_envelope
from agent_runs.emitter.producer import Producer, open_producer
from agent_runs.emitter.records import Record
from agent_runs.emitter.settings import Config, EmitterSettings
from agent_runs.errors import TooLargeForTopic, UnreadableEvent
from agent_runs.reader import RunSummary, StoredEvent
from agent_runs.run_file.errors import InvalidRunFile
from agent_runs.run_file.scan import scan
from agent_runs.settings import KafkaSettings, read_sections

_BATCH_EVENTS: Final = 1000
_BATCH_BYTES: Final = 1024 * 1024


class Imported(NamedTuple):
    """How many runs and events were published."""

    runs: int
    events: int


def kafka_config(environ: Mapping[str, str], overrides: Mapping[str, object] = MappingProxyType({})) -> Config:
    """Read how to reach Kafka, and which topic to publish to, from environment variables.

    Raises:
        SettingsError: a setting is missing or not valid.
    """
    return Config(**read_sections({"kafka": KafkaSettings, "emitter": EmitterSettings}, environ, overrides))


async def import_runs(
    path: str | Path, environ: Mapping[str, str] | None = None, progress: Callable[[int], None] | None = None
) -> Imported:
    """Publish the events of a run file to the topic, with their ids, in the order of the file, as the exact messages.

    Before the first event is published, the whole file is checked. Importing a file twice is safe: events that are
    stored already are repeats. Returns when Kafka has acknowledged all events.

    Args:
        path: the run file.
        environ: the environment variables with the address of Kafka and the topic. Default: those of the process.
        progress: called after each batch with the number of its events.

    Raises:
        InvalidRunFile: the file is cut off or altered, or has an event that is not valid. Nothing was published.
        SettingsError: a setting is missing or not valid.
        KafkaUnavailable: Kafka did not acknowledge an event. The events before it may be published.
        OSError: the file cannot be read.
    """
    config = kafka_config(os.environ if environ is None else environ)
    path = Path(path)
    runs, events = _check(path, config.emitter.max_event_bytes)
    async with open_producer(config) as producer:
        for batch in _batches(_records(path)):
            await _send(producer, batch)
            if progress is not None:
                progress(len(batch))
    return Imported(runs, events)


async def publish(config: Config, run_id: str, messages: Iterable[bytes]) -> None:
    """Publish messages of one run in order, and return when Kafka has acknowledged them.

    Raises:
        KafkaUnavailable: Kafka did not acknowledge one of them.
        TooLargeForTopic: one exceeds the topic's limit.
    """
    async with open_producer(config) as producer:
        await _send(producer, [Record(run_id.encode(), message) for message in messages])


def _check(path: Path, max_event_bytes: int) -> Imported:
    """Check the file and each of its events, and return their numbers."""
    runs = events = 0
    for number, _, content in scan(path):
        if isinstance(content, RunSummary):
            runs += 1
        elif isinstance(content, StoredEvent):
            events += 1
            if problem := _problem(content, max_event_bytes):
                raise InvalidRunFile(number, f"the event {content.id!r} cannot be published: {problem}", str(path))
    return Imported(runs, events)


def _problem(event: StoredEvent, max_event_bytes: int) -> str | None:
    """Return why consumers would refuse the message of an event; None if they would not."""
    message = event.event.original
    if message is None:
        return "the file does not have its message"
    if len(message) > max_event_bytes:
        return f"it has {len(message)} bytes, more than AGENT_RUNS_MAX_EVENT_BYTES"
    try:
        read_envelope(message)
    except UnreadableEvent as error:
        return str(error)
    return None


def _records(path: Path) -> Iterator[Record]:
    key = b""
    for line in scan(path):
        if isinstance(line.content, RunSummary):
            key = line.content.id.encode()
        elif isinstance(line.content, StoredEvent):
            yield Record(key, line.content.event.original or b"")


def _batches(records: Iterator[Record]) -> Iterator[list[Record]]:
    """Iterate over consecutive records, as many together as fit in the limits of a batch."""
    batch: list[Record] = []
    size = 0
    for record in records:
        batch.append(record)
        size += record.size
        if len(batch) == _BATCH_EVENTS or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


async def _send(producer: Producer, records: list[Record]) -> None:
    """Send records so that those of a partition keep their order: one batch of a partition after the other."""
    by_partition: dict[int, list[Record]] = {}
    for record in records:
        by_partition.setdefault(producer.partition_of(record.key), []).append(record)
    for partition, waiting in by_partition.items():
        await _send_to(producer.send, partition, waiting)


async def _send_to(
    send: Callable[[int, Iterable[Record]], Awaitable[int]], partition: int, waiting: list[Record]
) -> None:
    done = 0
    count = len(waiting)
    while done < len(waiting):
        try:
            done += await send(partition, islice(waiting, done, done + count))
        except TooLargeForTopic:
            if count == 1:
                raise
            count = max(1, count // 2)
