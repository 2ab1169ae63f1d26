"""Following runs: one read for all watchers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

import pytest

from agent_runs.reader import DatabaseUnavailable, NewEvents, Reader, RunSummary, StoredEvent, Stream, event_of_message
from agent_runs.status import RunStatus
from tests.support.messages import event
from tests.support.stored_runs import START
from tests.support.viewer_process import next_data
from viewer.errors import Failure
from viewer.live import LiveRuns


class FakeReader:
    """Runs in memory with the same events, and how often their events and their numbers of events were read."""

    def __init__(self) -> None:
        self.events: list[StoredEvent] = []
        self.reads = 0
        self.polls = 0
        self.problem: Exception | None = None

    def store(self, count: int) -> None:
        for _ in range(count):
            seq = len(self.events)
            stored = event_of_message(event(f"e{seq}"))
            self.events.append(StoredEvent(seq=seq, created_at=START, partition=0, offset=seq, event=stored))

    async def new_events(self, after: dict[str, int]) -> NewEvents:
        self.polls += 1
        if self.problem:
            raise self.problem
        new = {run_id: self.events[seq + 1 : seq + 501] for run_id, seq in after.items()}
        found = {run_id: events for run_id, events in new.items() if events}
        return NewEvents(runs={run_id: self.summary(run_id) for run_id in found}, events=found)

    async def get_summaries(self, run_ids: list[str]) -> dict[str, RunSummary]:
        return {run_id: self.summary(run_id) for run_id in run_ids}

    def summary(self, run_id: str) -> RunSummary:
        return RunSummary(
            id=run_id,
            agent="a",
            status=RunStatus.RUNNING,
            event_count=len(self.events),
            created_at=START,
            updated_at=START,
            status_changed_at=START,
        )

    def get_run_events(
        self, run_id: str, *, after: int, until: int | None = None, types: None = None
    ) -> Stream[StoredEvent]:
        return Stream(self._pages(after, until))

    async def _pages(self, after: int, until: int | None) -> AsyncIterator[list[StoredEvent]]:
        self.reads += 1
        if self.problem:
            raise self.problem
        if found := self.events[after + 1 : None if until is None else until + 1]:
            yield found


@pytest.fixture
def reader() -> FakeReader:
    return FakeReader()


@pytest.fixture
def live(reader: FakeReader) -> LiveRuns:
    return LiveRuns(cast("Reader", reader))


async def test_a_hundred_watchers_of_a_run_share_its_reads(reader: FakeReader, live: LiveRuns) -> None:
    watchers = [live.follow("run", -1, "a") for _ in range(100)]
    await asyncio.gather(*(next_data(each, "run") for each in watchers))
    before = reader.reads

    reader.store(3)
    found = await asyncio.gather(*(next_data(each, "lines") for each in watchers))

    assert {tuple(line["seq"] for line in lines) for lines in found} == {(0, 1, 2)}
    assert reader.reads - before < 50
    live.close()


async def test_new_events_and_the_run_after_them_are_sent_together(reader: FakeReader, live: LiveRuns) -> None:
    watcher = live.follow("run", -1, "a")
    await next_data(watcher, "run")

    reader.store(3)
    sent = (await anext(watcher)).decode()

    assert [line for line in sent.splitlines() if not line.startswith("data: ")] == [
        "id: 2",
        "event: lines",
        "",
        "event: run",
        "",
    ]
    assert '"event_count":3' in sent
    live.close()


async def test_the_runs_that_are_followed_share_one_query_a_tick(reader: FakeReader, live: LiveRuns) -> None:
    watchers = [live.follow(f"run-{number}", -1, "a") for number in range(50)]
    await asyncio.gather(*(next_data(each, "run") for each in watchers))
    before = reader.polls

    reader.store(1)
    await asyncio.gather(*(next_data(each, "lines") for each in watchers))

    assert reader.polls - before < 50
    live.close()


async def test_a_watcher_that_is_behind_gets_every_event_once_in_order(reader: FakeReader, live: LiveRuns) -> None:
    reader.store(1200)
    watcher = live.follow("run", 99, "a")
    seqs: list[int] = []
    while len(seqs) < 1100:
        seqs += [line["seq"] for line in await next_data(watcher, "lines")]
    reader.store(700)
    while len(seqs) < 1800:
        seqs += [line["seq"] for line in await next_data(watcher, "lines")]

    assert seqs == list(range(100, 1900))
    live.close()


async def test_watchers_that_reconnect_at_once_share_what_they_missed(reader: FakeReader, live: LiveRuns) -> None:
    reader.store(40)
    watchers = [live.follow("run", 9, "a") for _ in range(100)]

    found = await asyncio.gather(*(next_data(each, "lines") for each in watchers))

    assert {tuple(line["seq"] for line in lines) for lines in found} == {tuple(range(10, 40))}
    assert reader.reads < 10
    live.close()


async def test_watchers_are_told_that_postgresql_is_unavailable_and_that_it_is_back(
    reader: FakeReader, live: LiveRuns
) -> None:
    watcher = live.follow("run", -1, "a")
    await next_data(watcher, "run")

    reader.problem = DatabaseUnavailable("PostgreSQL is unavailable")
    assert await next_data(watcher, "problem") == "PostgreSQL is unavailable"
    reader.problem = None
    assert await next_data(watcher, "problem") == ""
    live.close()


async def test_one_client_has_half_of_the_places_and_who_has_gone_does_not_count(
    live: LiveRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("viewer.live.MAX_WATCHERS", 2)
    async with aclosing(cast("Any", live.follow("run", -1, "a"))) as first:
        await next_data(first, "run")
        with pytest.raises(Failure) as refused:
            live.follow("other", -1, "a")
        assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "3"})
        async with aclosing(cast("Any", live.follow("other", -1, "b"))) as second:
            await next_data(second, "run")
            with pytest.raises(Failure) as full:
                live.follow("other", -1, "c")
            assert (full.value.status, full.value.headers) == (503, {"Retry-After": "3"})

    async with aclosing(cast("Any", live.follow("other", -1, "a"))) as third:
        await next_data(third, "run")
