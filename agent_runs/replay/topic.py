"""Reads a topic again: `read_topic`."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import aclosing
from datetime import datetime

from agent_runs.replay.topic_items import Batch, Copied, Progress, TopicItem
from agent_runs.replay.topic_selection import Selection, TopicSettings
from agent_runs.settings import KafkaSettings, read_sections


def read_topic(  # noqa: PLR0913  # keywords with defaults
    topic: str | None = None,
    *,
    run_id: str | None = None,
    partitions: Collection[int] | None = None,
    positions: Mapping[int, int] | None = None,
    since: datetime | None = None,
    follow: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    environ: Mapping[str, str] | None = None,
) -> "TopicReading":
    """Return the events and rejections of a topic, for `for` and `async for`.

    The reading joins no consumer group and commits no offsets. The order of the records is kept within a partition, and
    so within a run. Memory is bounded: two responses of 4 MiB from each broker, or of one record batch if that is more.

    Args:
        topic: the name of the topic. None: `AGENT_RUNS_TOPIC`.
        run_id: only the records of this run; only its partition is read, unless `partitions` names others.
        partitions: only these partitions. None: all.
        positions: by partition, the offset to begin at, such as `TopicReading.positions` of an earlier reading. A
            partition without one is read from the start of its log.
        since: begin with the first records that are not older, by the records' timestamps. Not with `positions`.
        follow: continue with new records, also of partitions that are added. False: end with the last record that is in
            the topic now.
        on_progress: called about once for each thousand records, in the thread of the iteration.
        environ: the settings. None: the environment of the process.

    Raises:
        SettingsError: settings are missing or invalid.
        ValueError: `positions` and `since` exclude each other; `since` must have a time zone.
    """
    if positions is not None and since is not None:
        raise ValueError("positions and since exclude each other")
    if since is not None and since.tzinfo is None:
        raise ValueError("since must have a time zone")
    environ = {**(os.environ if environ is None else environ), **({"AGENT_RUNS_TOPIC": topic} if topic else {})}
    settings = read_sections({"kafka": KafkaSettings, "topic": TopicSettings}, environ)
    selection = Selection(run_id=run_id, partitions=partitions, positions=positions, since=since, follow=follow)
    return TopicReading(settings["kafka"], settings["topic"], selection, on_progress)


class TopicReading:
    """The records of a topic, to be iterated once. Made by `read_topic`.

    Attributes:
        topic: the name of the topic.
        positions: by partition, the offset after the last item that the iteration has returned, and after records that
            it has passed over. Store them, and pass them to `read_topic` to continue.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        settings: TopicSettings,
        selection: Selection,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self.topic = settings.topic
        self.positions: dict[int, int] = dict(selection.positions or {})
        self._kafka = kafka
        self._settings = settings
        self._selection = selection
        self._on_progress = on_progress

    async def __aiter__(self) -> AsyncIterator[TopicItem]:
        async with aclosing(self._batches()) as batches:
            async for batch, progress in batches:
                for item in batch:
                    self.positions[item.partition] = item.offset + 1
                    yield item
                self._passed(progress)

    def __iter__(self) -> Iterator[TopicItem]:
        """Iterate in a thread without a running event loop."""
        with asyncio.Runner() as runner:
            batches = self._batches()

            async def next_batch() -> Batch | None:
                return await anext(batches, None)

            try:
                while (found := runner.run(next_batch())) is not None:
                    for item in found[0]:
                        self.positions[item.partition] = item.offset + 1
                        yield item
                    self._passed(found[1])
            finally:
                runner.run(batches.aclose())

    async def copy_to(
        self, target: str, *, rate: float | None = None, on_progress: Callable[[Copied], None] | None = None
    ) -> Copied:
        """Publish the records to another topic, with their keys, values, headers and timestamps, also refused ones.

        The order of the records of a partition is kept, and so that of a run. A record goes to the partition with the
        number that it has, if both topics have as many partitions; else to the partition of its key. A topic with
        `message.timestamp.type=LogAppendTime` replaces the timestamps. Records that the Kafka client cannot parse are
        not copied.

        Args:
            target: the name of the topic; it must exist.
            rate: how many records a second at most. None: no limit.
            on_progress: called after each batch that all in-sync replicas have stored. Its `positions` continue the
                copy, with `read_topic(positions=…)`, if this call ends early.

        Raises:
            KafkaUnavailable: as for the iteration; or the target does not store the records.
            TooLargeForTopic: the target refuses a record because of its size.
            ValueError: the target is the topic itself.
        """
        from agent_runs.replay.topic_copy import Route, copy_records  # noqa: PLC0415  # it imports the Kafka client

        route = Route(kafka=self._kafka, source=self.topic, target=target, rate=rate)
        return await copy_records(route, self._batches(), on_progress)

    def _batches(self) -> AsyncGenerator[Batch, None]:
        from agent_runs.replay.topic_batches import read_batches  # noqa: PLC0415  # it imports the Kafka client

        return read_batches(self._kafka, self._settings, self._selection)

    def _passed(self, progress: Progress) -> None:
        self.positions |= progress.positions
        if self._on_progress is not None:
            self._on_progress(progress)
