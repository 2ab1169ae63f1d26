"""Which records of a topic to read, and the settings of the reading."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Annotated

from msgspec import Struct

from agent_runs.settings import DEFAULT_MAX_EVENT_BYTES, DEFAULT_TOPIC, MAX_EVENT_BYTES_LIMIT, TOPIC_PATTERN, env


class TopicSettings(Struct, frozen=True, kw_only=True):
    """The topic, and the most bytes of an event and of a decompressed record batch."""

    topic: Annotated[str, env("AGENT_RUNS_TOPIC", pattern=TOPIC_PATTERN)] = DEFAULT_TOPIC
    max_event_bytes: Annotated[int, env("AGENT_RUNS_MAX_EVENT_BYTES", ge=1024, le=MAX_EVENT_BYTES_LIMIT)] = (
        DEFAULT_MAX_EVENT_BYTES
    )
    max_decompressed_bytes: Annotated[int, env("AGENT_RUNS_MAX_DECOMPRESSED_BYTES", ge=0)] = 0

    @property
    def decompression_limit(self) -> int:
        """The most bytes of a decompressed record batch, with the default of the service."""
        return self.max_decompressed_bytes or 2 * max(self.max_event_bytes, DEFAULT_MAX_EVENT_BYTES)


class Selection(Struct, frozen=True, kw_only=True):
    """Which records of a topic to read; the fields are the arguments of `read_topic`."""

    run_id: str | None = None
    partitions: Collection[int] | None = None
    positions: Mapping[int, int] | None = None
    since: datetime | None = None
    follow: bool = False
