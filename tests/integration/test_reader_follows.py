"""The reader follows runs and lists while they are written, and counts runs."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from agent_runs.reader import DatabaseUnavailable, Reader, RunFilter, StatusCount
from agent_runs.status import RunStatus
from tests.support.messages import event, events_of
from tests.support.proxy.proxy import DatabaseProxy
from tests.support.scene import Scene
from tests.support.servers.clients import execute
from tests.support.stored_runs import insert_event, insert_run

IN_TIME_S = 60


@pytest.fixture
async def reader(database: str) -> AsyncIterator[Reader]:
    """A reader of the empty database."""
    async with Reader(database) as reader:
        yield reader


async def test_the_events_of_a_run_are_followed_while_they_are_stored(scene: Scene) -> None:
    # Given a reader that follows a run which does not exist yet,
    async with Reader(scene.database) as reader:
        stream = reader.get_run_events("run", follow=True, until=2)
        following = asyncio.create_task(anext(stream))
        # when its events are published and stored, then it returns them, across several batches, up to the last one.
        await scene.publish(*events_of("run", "a"))
        await scene.consume()
        first = await asyncio.wait_for(following, IN_TIME_S)
        await scene.publish(*events_of("run", "b", "c", "d"))
        await scene.consume()
        rest = [found.id async for found in stream]
    assert [first.id, *rest] == ["a", "b", "c"]


async def test_only_events_of_the_wanted_types_are_followed(database: str, reader: Reader) -> None:
    await insert_run(database, "run", 0, [event("a"), event("b", "run_failed", error="x"), event("c")])

    stream = reader.get_run_events("run", types=["run_failed"], follow=True)

    assert (await asyncio.wait_for(anext(stream), IN_TIME_S)).id == "b"


async def test_following_continues_after_the_server_did_not_answer(database: str) -> None:
    # Given a reader that has followed a run up to its end,
    await insert_run(database, "run", 0, [event("a"), event("b")])
    async with DatabaseProxy(database) as proxy, Reader(proxy.database_url, timeout_s=1.0) as reader:
        stream = reader.get_run_events("run", follow=True)
        assert [(await anext(stream)).id for _ in "ab"] == ["a", "b"]
        # when the server does not answer for longer than one call may take, then it continues afterwards,
        proxy.silent_from = b"BEGIN"
        following = asyncio.create_task(anext(stream))
        done, _ = await asyncio.wait({following}, timeout=1.1)
        assert not done
        proxy.heal()
        await insert_event(database, "run", 2, event("c"))
        assert (await asyncio.wait_for(following, IN_TIME_S)).id == "c"
        # and when the server does not answer at all, then it gives up.
        proxy.silent_from = b"BEGIN"
        with pytest.raises(DatabaseUnavailable):
            await asyncio.wait_for(anext(stream), IN_TIME_S)


async def test_the_changes_of_a_list_are_followed(database: str, reader: Reader) -> None:
    await insert_run(database, "old", 0, status="waiting")
    stream = reader.follow_runs(RunFilter(status=RunStatus.WAITING))

    async def next_change() -> tuple[str, str]:
        change = await asyncio.wait_for(anext(stream), IN_TIME_S)
        return change.kind, change.run.id

    assert await next_change() == ("added", "old")
    await insert_run(database, "new", 5, status="waiting")
    assert await next_change() == ("added", "new")
    await execute(database, "UPDATE agent_runs SET event_count = 1 WHERE id = 'new'")
    assert await next_change() == ("changed", "new")
    await execute(database, "UPDATE agent_runs SET status = 'running' WHERE id = 'old'")
    assert await next_change() == ("removed", "old")


FILL = """
    INSERT INTO agent_runs (id, agent_id, status, created_at, updated_at, status_changed_at)
    SELECT n, 'agent', CASE WHEN n % 100 = 0 THEN 'failed' ELSE 'completed' END, now(), now(), now()
      FROM generate_series(1, 20000) AS n;
    ANALYZE agent_runs
"""


async def test_runs_are_counted_exactly_if_they_are_few_and_estimated_if_they_are_many(
    database: str, reader: Reader
) -> None:
    await execute(database, FILL)

    counts = await reader.count_by_status()

    assert list(counts) == [RunStatus.RUNNING, RunStatus.WAITING, RunStatus.COMPLETED, RunStatus.FAILED]
    assert counts[RunStatus.FAILED] == StatusCount(count=200, is_estimate=False)
    assert counts[RunStatus.RUNNING] == StatusCount(count=0, is_estimate=False)
    assert counts[RunStatus.COMPLETED].is_estimate
    assert 19_000 < counts[RunStatus.COMPLETED].count < 20_500
