"""Measures the first and the thousandth page of each list, and the other short calls."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from statistics import median, quantiles
from typing import Any, Final, NamedTuple

from agent_runs.reader import Reader, RunFilter
from agent_runs.status import RunStatus
from tests.bench import report
from tests.bench.reader import tables

Call = Callable[[], Awaitable[object]]

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


async def measure(urls: Mapping[int, str]) -> list[dict[str, Duration]]:
    """Return the duration of each call by its name, for each database.

    A call is made on one database after the other, so that a slow second of the machine is one of all of them.

    Args:
        urls: the databases by their numbers of runs.
    """
    async with AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(Reader(url, pool_size=1)) for url in urls.values()]
        calls = [await _calls(reader, runs) for reader, runs in zip(readers, urls, strict=True)]
        found: list[dict[str, Duration]] = [{} for _ in urls]
        for name in calls[0]:
            durations = await _durations([each[name] for each in calls])
            for of_database, duration in zip(found, durations, strict=True):
                of_database[name] = duration
        return found


async def _calls(reader: Reader, runs: int) -> dict[str, Call]:
    calls: dict[str, Call] = {}
    for name, conditions in filters(runs).items():
        calls[f"{name}: first page"] = partial(reader.list_runs, conditions, limit=_LIMIT)
        cursor = await _deep_cursor(reader, conditions)
        calls[f"{name}: page 1,000"] = partial(reader.list_runs, conditions, limit=_LIMIT, cursor=cursor)
    calls["show: a run of 100 events"] = partial(_show, reader)
    calls["open questions, the page with their texts"] = reader.open_questions
    calls["count by status"] = reader.count_by_status
    return calls


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


async def _durations(calls: Sequence[Call]) -> list[Duration]:
    durations: list[list[float]] = [[] for _ in calls]
    for call in calls:
        await call()
    for _ in range(_CALLS):
        for call, of_call in zip(calls, durations, strict=True):
            started = time.perf_counter()
            await call()
            of_call.append((time.perf_counter() - started) * 1000)
    return [Duration(median(of_call), quantiles(of_call, n=100)[98]) for of_call in durations]


def to_table(small: Mapping[str, Duration], large: Mapping[str, Duration]) -> str:
    """Format a row for each call: durations in both databases, and the ratio of the medians."""
    rows: list[Any] = []
    for name, duration in large.items():
        before = small[name]
        numbers = (before.median_ms, duration.median_ms, duration.p99_ms, duration.median_ms / before.median_ms)
        rows.append((name, *(f"{number:.2f}" for number in numbers)))
    headings = ("call", "10,000 runs, ms", "1,000,000 runs, ms", "p99, ms", "ratio")
    return report.table(headings, rows)
