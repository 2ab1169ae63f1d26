"""Describes unacknowledged events for a log line."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from agent_runs.emitter.records import Record

_MAX_RUNS: Final = 3
_MAX_TYPES: Final = 4


def describe_pending(records: Iterable[Record]) -> str:
    """Return how many events of which types each run has, such as "2 of run 'a' (input, llm_called)".

    Names the runs with the most events, and their most frequent types. Markers are not events.
    """
    by_run: dict[bytes, Counter[str]] = {}
    for record in records:
        if not record.dropped_count:
            by_run.setdefault(record.key, Counter())[record.event_type] += 1
    largest = sorted(by_run.items(), key=lambda item: -item[1].total())
    parts = [f"{types.total()} of run {key.decode()!r} ({_describe(types)})" for key, types in largest[:_MAX_RUNS]]
    others = largest[_MAX_RUNS:]
    if others:
        parts.append(f"{sum(types.total() for _, types in others)} of {len(others)} other runs")
    return ", ".join(parts)


def _describe(types: Counter[str]) -> str:
    names = [name if count == 1 else f"{count} {name}" for name, count in types.most_common(_MAX_TYPES)]
    return ", ".join([*names, "…"] if len(types) > _MAX_TYPES else names)
