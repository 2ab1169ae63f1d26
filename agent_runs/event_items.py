"""Takes the events out of what a reader, a run file, a topic or an emitter returns."""

from collections.abc import Iterable, Iterator
from typing import Any


def events_of(items: Iterable[Any]) -> Iterator[Any]:
    """Yield the events of a run in order, each id once: a topic may have a record and its repeats.

    Args:
        items: what `with_events` takes, of one run.

    Raises:
        TypeError: `items` cannot be iterated, or an item is not an event.
        ValueError: items of a topic belong to several runs.
    """
    seen: set[str] = set()
    run_id: str | None = None
    for item, event in with_events(items):
        if event.id in seen:
            continue
        seen.add(event.id)
        item_run = getattr(item, "run_id", None)
        if run_id not in (None, item_run):
            raise ValueError(f"the events of the runs {run_id!r} and {item_run!r} are mixed: pass those of one run")
        run_id = item_run
        yield event


def with_events(items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Yield each item with its event, without rejected records of a topic, which are not events of a run.

    Args:
        items: typed events, or objects with the attribute `event`, such as `StoredEvent` and `TopicEvent`.

    Raises:
        TypeError: `items` cannot be iterated, or an item is not an event.
    """
    if not isinstance(items, Iterable):
        raise TypeError(
            "the events are not iterable; from asyncio code pass [event async for event in reader.get_run_events(…)]"
        )
    for item in items:
        event = getattr(item, "event", item)
        if event is None:  # a TopicRejection
            continue
        if not hasattr(event, "parent_event_id"):
            raise TypeError(f"{item!r:.100} is not an event: pass typed events, or those of a reader or a topic")
        yield item, event
