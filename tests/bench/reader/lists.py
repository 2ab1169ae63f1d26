"""Measures the first and the thousandth page of each list, and the other short calls."""

import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial
from statistics import median, quantiles
from typing import Any, Final, NamedTuple

from agent_runs.reader import Reader, RunFilter
from agent_runs.status import RunStatus
from tests.bench import report
from tests.bench.reader import tables

_LIMIT: Final = 50
_DEEP: Final = 999  # pages before the deep one
_BIG_LIMIT: Final = 999  # runs of each of the 50 pages that lead to it
_CALLS: Final = 200


class Duration(NamedTuple):
    """The duration of a call in milliseconds."""

    median_ms: float
    p99_ms: float


def filters(runs: int) -> dict[str, RunFilter]:
    """One filter for each condition, and two combinations; each list of a million runs has a thousand pages."""
    middle = tables.START + runs // 2 * tables.STEP
    return {
        "all runs": RunFilter(),
        "status": RunFilter(status=RunStatus.FAILED),
        "status, most runs": RunFilter(status=RunStatus.COMPLETED),
        "agent": RunFilter(agent="agent-3"),
        "session": RunFilter(session=tables.LARGE_SESSION),
        "parent": RunFilter(parent=tables.LARGE_PARENT),
        "labels": RunFilter(labels={"team": "blue"}),
        "labels, most runs": RunFilter(labels={"environment": "production"}),
        "open questions": RunFilter(has_open_questions=True),
        "dropped events": RunFilter(has_dropped_events=True),
        "created from, before": RunFilter(created_from=tables.START + tables.STEP, created_before=middle),
        "updated from": RunFilter(updated_from=tables.START + timedelta(hours=1)),
        "updated before": RunFilter(updated_before=middle),
        "stale": RunFilter(stale_for=timedelta(hours=1)),
        "session and labels": RunFilter(session=tables.LARGE_SESSION, labels={"environment": "production"}),
        "agent and status": RunFilter(agent="agent-3", status=RunStatus.COMPLETED),
    }


async def measure(url: str, runs: int) -> dict[str, Duration]:
    """Return the duration of each call by its name."""
    async with Reader(url, pool_size=1) as reader:
        found: dict[str, Duration] = {}
        for name, conditions in filters(runs).items():
            found[f"{name}: first page"] = await _duration(partial(reader.list_runs, conditions, limit=_LIMIT))
            cursor = await _deep_cursor(reader, conditions)
            deep = partial(reader.list_runs, conditions, limit=_LIMIT, cursor=cursor)
            found[f"{name}: page 1,000"] = await _duration(deep)
        found["show: a run of 100 events"] = await _duration(lambda: _show(reader))
        found["open questions, the page with their texts"] = await _duration(reader.open_questions)
        found["count by status"] = await _duration(reader.count_by_status)
        return found


async def _show(reader: Reader) -> None:
    """Read what the header, the tree and the timeline of a run need."""
    await reader.get_tree(tables.SHORT_RUN)
    run = await reader.get_run(tables.SHORT_RUN)
    assert run is not None
    assert len(run.events) == tables.SHORT_EVENTS


async def _deep_cursor(reader: Reader, conditions: RunFilter) -> str | None:
    """Return the cursor of the thousandth page, or of a late full page if there are fewer.

    A page that is not full would take less time, and be no measure for the thousandth one.
    """
    before = cursor = None
    for _ in range(_DEEP * _LIMIT // _BIG_LIMIT):
        page = await reader.list_runs(conditions, limit=_BIG_LIMIT, cursor=cursor)
        if page.cursor is None:
            return cursor if len(page.runs) >= _LIMIT else before
        before, cursor = cursor, page.cursor
    return cursor


async def _duration(call: Callable[[], Awaitable[object]]) -> Duration:
    await call()
    durations = []
    for _ in range(_CALLS):
        started = time.perf_counter()
        await call()
        durations.append((time.perf_counter() - started) * 1000)
    return Duration(median(durations), quantiles(durations, n=100)[98])


def to_table(small: Mapping[str, Duration], large: Mapping[str, Duration]) -> str:
    """Format a row for each call: durations in both databases, and the ratio of the medians."""
    rows: list[Any] = []
    for name, duration in large.items():
        before = small[name]
        numbers = (before.median_ms, duration.median_ms, duration.p99_ms, duration.median_ms / before.median_ms)
        rows.append((name, *(f"{number:.2f}" for number in numbers)))
    headings = ("call", "10,000 runs, ms", "1,000,000 runs, ms", "p99, ms", "ratio")
    return report.table(headings, rows)
