"""Following lists: one read for all pages."""

import asyncio
from collections.abc import Collection
from contextlib import aclosing
from typing import Any, cast

import pytest

from agent_runs.reader import DatabaseUnavailable, Reader, RunSummary
from agent_runs.reader.cursor import Position
from agent_runs.status import RunStatus
from tests.support.stored_runs import START
from tests.support.viewer_process import next_data
from viewer.errors import Failure
from viewer.live_lists import LiveLists, Page


class FakeReader:
    """Runs in memory, and how often they were read."""

    def __init__(self) -> None:
        self.reads = 0
        self.problem: Exception | None = None

    async def get_summaries(self, run_ids: Collection[str]) -> dict[str, RunSummary]:
        self.reads += 1
        if self.problem:
            raise self.problem
        common = {"agent": "a", "event_count": 1, "created_at": START, "updated_at": START, "status_changed_at": START}
        return {name: RunSummary(id=name, status=RunStatus.RUNNING, **cast("Any", common)) for name in run_ids}

    async def newest(self) -> list[Position]:
        return [Position(START, "b")]


@pytest.fixture(autouse=True)
def short_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("viewer.live_lists._TICK_S", 0.05)


def page(reader: FakeReader, number: int = 0) -> Page:
    return Page("all", reader.newest, Position(START, "a"), [f"run-{number}", "shared"], "a")


async def test_a_hundred_pages_share_one_read_a_tick_and_get_their_own_runs() -> None:
    reader = FakeReader()
    lists = LiveLists(cast("Reader", reader))
    pages = [lists.follow(page(reader, number)) for number in range(100)]

    runs = await asyncio.gather(*(next_data(each, "runs") for each in pages))

    assert [[run["id"] for run in found] for found in runs] == [[f"run-{number}", "shared"] for number in range(100)]
    assert reader.reads < 50  # the messages take several ticks on a busy machine
    assert await next_data(pages[0], "new") == {"count": 1, "more": False}
    lists.close()
    assert [message async for message in pages[1] if b"event" in message][1:] == []


async def test_pages_are_told_that_postgresql_is_unavailable_and_that_it_is_back() -> None:
    reader = FakeReader()
    lists = LiveLists(cast("Reader", reader))
    followed = lists.follow(page(reader))
    await next_data(followed, "runs")

    reader.problem = DatabaseUnavailable("PostgreSQL is unavailable")
    assert await next_data(followed, "problem") == "PostgreSQL is unavailable"
    reader.problem = None
    assert await next_data(followed, "problem") == ""
    lists.close()


async def test_one_client_has_half_of_the_pages_and_one_that_has_gone_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("viewer.live_lists.MAX_PAGES", 2)
    reader = FakeReader()
    lists = LiveLists(cast("Reader", reader))
    async with aclosing(cast("Any", lists.follow(page(reader)))) as first:
        await next_data(first, "runs")
        with pytest.raises(Failure) as refused:
            lists.follow(page(reader))
        assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "3"})
        async with aclosing(cast("Any", lists.follow(page(reader)._replace(client="b")))) as second:
            await next_data(second, "runs")
            with pytest.raises(Failure) as full:
                lists.follow(page(reader)._replace(client="c"))
            assert full.value.status == 503

    async with aclosing(cast("Any", lists.follow(page(reader)))) as third:
        await next_data(third, "runs")
    lists.close()


async def test_there_is_a_limit_of_filters_and_one_that_cannot_be_read_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("viewer.live_lists.MAX_LISTS", 3)
    reader = FakeReader()

    async def slow() -> list[Position]:
        raise DatabaseUnavailable("PostgreSQL did not answer in time")

    lists = LiveLists(cast("Reader", reader))
    broken = lists.follow(page(reader)._replace(key="slow", read_newest=slow))
    good = lists.follow(page(reader))
    await next_data(broken, "runs")
    assert await next_data(good, "new") == {"count": 1, "more": False}

    # The client has two of the three lists. Of another client, a list that is read already takes no place of them.
    with pytest.raises(Failure) as refused:
        lists.follow(page(reader)._replace(key="third"))
    assert refused.value.status == 429
    other = page(reader)._replace(client="b")
    third = lists.follow(other._replace(key="third"))
    await next_data(third, "runs")
    await next_data(lists.follow(other._replace(client="c")), "runs")
    with pytest.raises(Failure) as full:
        lists.follow(page(reader)._replace(key="fourth", client="c"))
    assert full.value.status == 503
    lists.close()
