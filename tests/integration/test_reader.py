"""The reader: runs, their events, and lists, from real tables."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from agent_runs import Input, LlmCalled
from agent_runs.reader import (
    DatabaseNotReady,
    DatabaseUnavailable,
    InvalidCursor,
    OpaqueEvent,
    Reader,
    ReaderError,
    RunFilter,
    RunPage,
)
from agent_runs.status import RunStatus
from tests.support.messages import event, event_with_literal
from tests.support.servers.clients import execute
from tests.support.servers.logins import READER, login
from tests.support.stored_runs import at, insert_run

CALL = {"model": "m", "system_prompt": "s", "user_prompt": "u", "raw_response": "r"}


@pytest.fixture
async def reader(database: str) -> AsyncIterator[Reader]:
    """A reader of the empty database, with the rights of the reader's role."""
    async with login(database, READER) as url, Reader(url) as reader:
        yield reader


async def test_a_run_comes_with_its_facts_and_its_typed_events_in_order(database: str, reader: Reader) -> None:
    messages = [event("a", data={"x": 1}), event("b", "llm_called", **CALL), event("c", "of_tomorrow")]
    await insert_run(database, "run", 5, messages, agent="planner", session="s", status="waiting", dropped=2)

    run = await reader.get_run("run")

    assert run is not None
    assert (run.id, run.parent_run_id, run.agent, run.session_id) == ("run", None, "planner", "s")
    assert (run.status, run.event_count, run.dropped_events) == (RunStatus.WAITING, 3, 2)
    assert (run.created_at, run.updated_at) == (at(5), at(6))
    assert [(found.seq, found.id, found.offset) for found in run.events] == [(0, "a", 0), (1, "b", 1), (2, "c", 2)]
    assert isinstance(run.events[0].event, Input)
    assert isinstance(run.events[1].event, LlmCalled)
    assert [json.loads(found.to_json())["event"] for found in run.events] == [json.loads(each) for each in messages]


async def test_a_run_that_does_not_exist_is_none_and_has_no_events(reader: Reader) -> None:
    assert await reader.get_run("none") is None
    assert await reader.get_summary("none") is None
    assert [found async for found in reader.get_run_events("none")] == []


async def test_the_events_of_a_run_come_in_pages_that_are_bounded_by_their_size(database: str, reader: Reader) -> None:
    # Given random text, which PostgreSQL cannot compress, so that a page holds only some of the events,
    texts = ["".join(chr(0x4E00 + (seed * 7919 + n * n * 31) % 20000) for n in range(40_000)) for seed in range(12)]
    await insert_run(database, "run", 0, [event(f"e{n}", data=text) for n, text in enumerate(texts)])

    pages = [page async for page in reader.get_run_events("run").pages]

    assert [found.event.data for page in pages for found in page if isinstance(found.event, Input)] == texts
    assert 1 < len(pages) < len(texts)


async def test_events_can_be_read_from_one_number_to_another(database: str, reader: Reader) -> None:
    await insert_run(database, "run", 0, [event(f"e{n}") for n in range(5)])

    assert [found.seq async for found in reader.get_run_events("run", after=1)] == [2, 3, 4]
    assert [found.seq async for found in reader.get_run_events("run", after=0, until=2)] == [1, 2]


async def test_text_that_jsonb_cannot_store_is_exact(database: str, reader: Reader) -> None:
    await insert_run(database, "run", 0, [event("a", data="\0 \ud800 \N{REPLACEMENT CHARACTER}")])

    run = await reader.get_run("run")

    assert run is not None
    assert isinstance(run.events[0].event, Input)
    assert run.events[0].event.data == "\0 \ud800 \N{REPLACEMENT CHARACTER}"


async def test_an_event_that_cannot_be_decoded_or_returned_does_not_hide_its_neighbours(
    database: str, reader: Reader
) -> None:
    # Given an event that was changed by hand, and one whose text would be longer than PostgreSQL's limit of 1 GB,
    numbers = "[" + ",".join(["1e131071"] * 9000) + "]"
    messages = [event("a"), event("b"), event("c"), event_with_literal("d", b"1"), event("e")]
    await insert_run(database, "run", 0, messages)
    change = "UPDATE run_events SET event_data = event_data {} WHERE id = '{}'"
    await execute(
        database,
        "ALTER TABLE run_events DISABLE TRIGGER USER;"
        + change.format("- 'data'", "b")
        + ";"
        + change.format(f"|| jsonb_build_object('data', '{numbers}'::jsonb)", "d"),
    )

    run = await reader.get_run("run")

    assert run is not None
    assert [found.id for found in run.events] == ["a", "b", "c", "d", "e"]
    broken = [found.event for found in run.events if isinstance(found.event, OpaqueEvent)]
    assert [(found.id, found.type) for found in broken] == [("b", "input"), ("d", "input")]
    assert "data" in broken[0].error
    assert "SQLSTATE" in broken[1].error


async def _ids(page: RunPage) -> list[str]:
    return [run.id for run in page.runs]


async def test_lists_are_ordered_newest_first_and_filters_combine(database: str, reader: Reader) -> None:
    await insert_run(database, "old", 0, agent="a", session="s", status="failed")
    await insert_run(database, "child", 10, agent="b", session="s", status="failed", parent="old", dropped=3)
    await insert_run(database, "new", 20, agent="a", status="running", updated=30)

    async def ids(**conditions: object) -> list[str]:
        return await _ids(await reader.list_runs(RunFilter(**conditions)))  # type: ignore[arg-type]

    assert await ids() == ["new", "child", "old"]
    assert await ids(agent="a") == ["new", "old"]
    assert await ids(agent="a", status="failed") == ["old"]
    assert await ids(session="s", has_dropped_events=True) == ["child"]
    assert await ids(created_from=at(10), created_before=at(20)) == ["child"]
    assert await ids(updated_from=at(11)) == ["new", "child"]
    assert await ids(updated_before=at(11)) == ["old"]
    assert await ids(stale_for=timedelta(minutes=1)) == ["new"]
    assert await ids(stale_for=timedelta(days=36500)) == []
    assert await _ids(await reader.get_runs_by_session("s")) == ["child", "old"]
    assert await _ids(await reader.get_runs_by_status("failed")) == ["child", "old"]
    assert await _ids(await reader.get_runs_by_agent("b")) == ["child"]
    assert await _ids(await reader.get_children("old")) == ["child"]


async def test_pages_continue_after_the_last_run_also_if_runs_were_created_at_the_same_time(
    database: str, reader: Reader
) -> None:
    for number in range(7):
        await insert_run(database, f"run-{number}", number // 3)

    found, cursor = [], None
    while True:
        page = await reader.list_runs(limit=2, cursor=cursor)
        found.append(await _ids(page))
        cursor = page.cursor
        if cursor is None:
            break
        await insert_run(database, f"newer-{len(found)}", 100)

    assert found == [["run-6", "run-5"], ["run-4", "run-3"], ["run-2", "run-1"], ["run-0"]]


async def test_a_cursor_that_no_page_returned_and_a_limit_out_of_range_are_refused(reader: Reader) -> None:
    with pytest.raises(InvalidCursor):
        await reader.list_runs(cursor="nonsense")
    with pytest.raises(ReaderError, match="from 1 to 1000"):
        await reader.list_runs(limit=0)


async def test_missing_tables_rights_and_servers_are_named_with_their_remedy(
    empty_database: str, database: str
) -> None:
    async with Reader(empty_database) as reader:
        with pytest.raises(DatabaseNotReady, match="consumer migrate"):
            await reader.get_run("run")
    async with login(database, "pg_monitor") as url, Reader(url) as reader:
        with pytest.raises(DatabaseNotReady, match="GRANT agent_runs_reader"):
            await reader.get_run("run")
    async with Reader(database.rpartition("/")[0] + "/none") as reader:
        with pytest.raises(DatabaseNotReady, match="create the database"):
            await reader.get_run("run")
    async with Reader("postgresql://user@127.0.0.1:1/db") as reader:
        with pytest.raises(DatabaseUnavailable):
            await reader.get_run("run")
