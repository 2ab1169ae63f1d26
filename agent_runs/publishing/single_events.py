"""Publishes one event of a run, and waits until it is stored."""

import asyncio
import time
from datetime import UTC, datetime
from os import environ
from typing import Any, Final

from agent_runs.codec.canonical_json import canonical_json
from agent_runs.codec.decode import decode_event
from agent_runs.emitter.settings import Config
from agent_runs.events import RunEvent, UnknownEvent
from agent_runs.ids import new_id
from agent_runs.reader import Reader, StoredEvent

_POLL_S: Final = 0.2


def build_event(fields: dict[str, Any]) -> RunEvent | UnknownEvent:
    """Return a new event with these fields; it gets an id and the time unless they have them.

    Raises:
        UnreadableEvent: the fields do not make a valid event.
    """
    common = {"id": new_id(), "parent_event_id": None, "timestamp": datetime.now(UTC).isoformat()}
    return decode_event(canonical_json({**common, **fields}).encode())


async def publish_event(run_id: str, event: RunEvent | UnknownEvent, config: Config | None = None) -> None:
    """Publish an event, and return when Kafka has acknowledged it.

    Args:
        run_id: the run.
        event: the event, which has its message.
        config: how to reach Kafka. Default: the environment.

    Raises:
        SettingsError: a setting is missing or not valid.
        Undelivered: Kafka did not acknowledge it.
    """
    from agent_runs.run_file.publish import kafka_config, publish  # noqa: PLC0415  # loads the Kafka client

    await publish(config or kafka_config(environ), run_id, [event.original or b""])


async def wait_until_stored(
    reader: Reader, run_id: str, event_id: str, after: int, timeout_s: float
) -> StoredEvent | None:
    """Return the stored event; None if it is not stored in time.

    Args:
        reader: the database.
        run_id: the run.
        event_id: the id of the event.
        after: the number of an event of the run that is stored before it.
        timeout_s: how long to wait.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        async for stored in reader.get_run_events(run_id, after=after):
            if stored.id == event_id:
                return stored
            after = stored.seq
        if time.monotonic() >= deadline:
            return None
        await asyncio.sleep(_POLL_S)
