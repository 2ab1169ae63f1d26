"""The reader: runs, their events, and lists, from real tables."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from random import Random
from typing import Any

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
    RunSource,
)
from agent_runs.reader.queries import QUERIES
from agent_runs.reader.question_lines import line_of_question
from agent_runs.status import RunStatus
from tests.support.messages import event
from tests.support.servers.clients import connect, execute
from tests.support.servers.logins import READER, login
from tests.support.stored_runs import at, insert_event, insert_run

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
    random = Random(1)  # LZ4 compresses a sequence that repeats after 20,000 characters
    texts = ["".join(map(chr, random.choices(range(0x4E00, 0x9C20), k=40_000))) for _ in range(20)]
    await insert_run(database, "run", 0, [event(f"e{n}", data=text) for n, text in enumerate(texts)])

    pages = [page async for page in reader.get_run_events("run").pages]

    assert [found.event.data for page in pages for found in page if isinstance(found.event, Input)] == texts
    assert 2 < len(pages) < len(texts)
    # A caller may stop before the end, while the next page is being read.
    stream = reader.get_run_events("run")
    async for found in stream:
        if found.seq == pages[1][0].seq:
            break
    del stream
    assert await reader.get_summary("run") is not None


async def test_events_can_be_read_from_one_number_to_another(database: str, reader: Reader) -> None:
    await insert_run(database, "run", 0, [event(f"e{n}") for n in range(5)])

    assert [found.seq async for found in reader.get_run_events("run", after=1)] == [2, 3, 4]
    assert [found.seq async for found in reader.get_run_events("run", after=0, until=2)] == [1, 2]


async def test_the_events_of_many_runs_come_run_by_run_in_bounded_pages(
    database: str, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given small runs, of which one has no events and one a later event, and a run that fills a page,
    messages = {
        "z": [event("a"), event("x", data="x" * 9000), event("c")],
        "a": [],
        "m": [event("a"), event("d"), event("c")],
        "k": [event(f"e{n}") for n in range(8)],
        "b": [event("a")],
    }
    for run_id, values in messages.items():
        await insert_run(database, run_id, 0, values)
    summaries = await reader.get_summaries(list(messages))
    await insert_event(database, "b", 1, event("later"))
    for has_damage in (False, True):
        if has_damage:  # PostgreSQL fails to return an event
            await execute(database, UNREADABLE)
        single = {run_id: [found async for found in reader.get_run_events(run_id)] for run_id in messages}
        # when their events are read in pages of any size, then they are those of each run, without the later one.
        for count, size in ((1000, 1 << 20), (1000, 100), (1000, 300), (6, 100), (4, 1 << 20)):
            monkeypatch.setattr("agent_runs.reader.events_of_runs.MAX_EVENTS", count)
            monkeypatch.setattr("agent_runs.reader.events_of_runs.MAX_STORED_BYTES", size)
            found = [each async for each in reader.events_of_runs([summaries[run_id] for run_id in messages])]
            assert found == [(run_id, each) for run_id in messages for each in single[run_id] if each.id != "later"]


async def test_text_that_jsonb_cannot_store_is_exact(database: str, reader: Reader) -> None:
    await insert_run(database, "run", 0, [event("a", data="\0 \ud800 \N{REPLACEMENT CHARACTER}")])

    run = await reader.get_run("run")

    assert run is not None
    assert isinstance(run.events[0].event, Input)
    assert run.events[0].event.data == "\0 \ud800 \N{REPLACEMENT CHARACTER}"


UNREADABLE = """
    ALTER TABLE run_events DISABLE TRIGGER USER;
    UPDATE run_events SET event_data = event_data - 'data' WHERE id = 'b';
    ALTER TABLE run_events RENAME TO stored;
    CREATE FUNCTION fail() RETURNS jsonb LANGUAGE plpgsql STABLE
        AS 'BEGIN RAISE data_corrupted USING MESSAGE = ''toast''; END';
    CREATE VIEW run_events AS
    SELECT run_id, event_seq, id, parent_event_id, event_type, created_at, source_partition, source_offset, raw,
           CASE WHEN id = 'd' THEN fail() ELSE event_data END AS event_data
      FROM stored;
    GRANT SELECT ON run_events TO agent_runs_reader
"""


async def test_an_event_that_cannot_be_decoded_or_returned_does_not_hide_its_neighbours(
    database: str, reader: Reader
) -> None:
    # Given an event that was changed by hand, and one whose message PostgreSQL fails to return,
    await insert_run(database, "run", 0, [event(event_id) for event_id in "abcde"])
    await execute(database, UNREADABLE)

    run = await reader.get_run("run")

    assert run is not None
    assert [found.id for found in run.events] == ["a", "b", "c", "d", "e"]
    broken = [found.event for found in run.events if isinstance(found.event, OpaqueEvent)]
    assert [(found.id, found.type) for found in broken] == [("b", "input"), ("d", "input")]
    assert "data" in broken[0].error
    assert "SQLSTATE XX001" in broken[1].error


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
    assert await ids(top_level=True) == ["new", "old"]
    assert await ids(top_level=True, session="s") == ["old"]
    assert await ids(top_level=True, parent="old") == []
    assert await ids(created_from=at(10), created_before=at(20)) == ["child"]
    assert await ids(updated_from=at(11)) == ["new", "child"]
    assert await ids(updated_before=at(11)) == ["old"]
    assert await ids(stale_for=timedelta(minutes=1)) == ["new"]
    assert await ids(stale_for=timedelta(days=36500)) == []
    assert await _ids(await reader.get_runs_by_session("s")) == ["child", "old"]
    assert await _ids(await reader.get_runs_by_status("failed")) == ["child", "old"]
    assert await _ids(await reader.get_runs_by_agent("b")) == ["child"]
    assert await _ids(await reader.get_children("old")) == ["child"]


async def test_pages_continue_after_the_last_run_even_if_runs_were_created_at_the_same_time(
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


async def test_pages_end_at_each_limit_of_the_time_whether_the_cursor_or_the_limit_comes_first(
    database: str, reader: Reader
) -> None:
    for minute in range(6):
        await insert_run(database, f"run-{minute}", minute)
        await insert_run(database, f"run-{minute}-too", minute)

    async def pages(conditions: RunFilter) -> list[str]:
        found: list[str] = []
        page = await reader.list_runs(conditions, limit=3)
        while page.cursor is not None:
            found += await _ids(page)
            page = await reader.list_runs(conditions, limit=3, cursor=page.cursor)
        return found + await _ids(page)

    three = ["run-2-too", "run-2", "run-1-too", "run-1", "run-0-too", "run-0"]
    assert await pages(RunFilter(created_before=at(3))) == three
    assert await pages(RunFilter(updated_before=at(4))) == three
    assert await pages(RunFilter(created_before=at(3), updated_before=at(3))) == three[2:]
    assert await pages(RunFilter(created_before=at(3), created_from=at(1))) == three[:4]
    # A cursor of another list begins before the limit.
    newest = await reader.list_runs(limit=1)
    assert await _ids(await reader.list_runs(RunFilter(created_before=at(3)), cursor=newest.cursor)) == three


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


async def test_the_tree_of_a_run_has_its_ancestors_and_descendants_once_also_in_a_circle(
    database: str, reader: Reader
) -> None:
    # Given a family whose root is a child of its own grandchild,
    family = {"root": None, "one": "root", "two": "root", "leaf": "one"}
    for minute, (run_id, parent) in enumerate(family.items()):
        await insert_run(database, run_id, minute, parent=parent)
    await execute(database, "UPDATE agent_runs SET parent_run_id = 'leaf' WHERE id = 'root'")

    # when the tree of a child is read, then every run is in it once.
    tree = await reader.get_tree("one")
    assert tree is not None
    assert [run.id for run in tree.ancestors] == ["leaf", "root"]
    assert [(node.depth, node.run.id) for node in tree.nodes] == [(0, "one"), (1, "leaf"), (2, "root"), (3, "two")]
    assert tree.is_complete
    small = await reader.get_tree("one", limit=1)
    assert small is not None
    assert [node.run.id for node in small.nodes] == ["one", "leaf"]
    assert not small.is_complete
    assert await reader.get_tree("none") is None


async def test_the_calls_of_a_run_have_their_exact_prompts_and_what_is_new_in_them(
    database: str, reader: Reader
) -> None:
    # Given three calls, each with a longer history; the second one fails, and other events are between them,
    history = [{"role": "user", "content": "Hi\0"}, {"role": "assistant", "content": "Yes?"}]
    prompts = [json.dumps(history[:length]) for length in (0, 1, 2)]
    calls = [{"model": "m", "system_prompt": "Be kind.\n", "user_prompt": prompt} for prompt in prompts]
    messages = [
        event("a", "llm_called", **calls[0], raw_response="1", usage={"input_tokens": 5}),
        event("b"),
        event("c", "llm_failed", **calls[1], error="timeout"),
        event("d", "llm_called", **calls[2] | {"system_prompt": "Be kind.\nBe brief.\n"}, raw_response="3"),
    ]
    await insert_run(database, "run", 0, messages)

    found = [call async for call in reader.llm_calls("run")]

    assert [(call.number, call.seq) for call in found] == [(1, 0), (2, 2), (3, 3)]
    assert [call.user_prompt for call in found] == prompts
    assert [(call.raw_response, call.error) for call in found] == [("1", None), (None, "timeout"), ("3", None)]
    assert found[0].usage == {"input_tokens": 5}
    assert found[0].changes == []
    assert [(each.path, each.kind, each.after) for each in found[1].changes] == [
        (["user_prompt", 0], "added", history[0])
    ]
    assert [each.path for each in found[2].changes] == [["system_prompt", 1], ["user_prompt", 1]]
    assert await reader.llm_call("run", 3) == await reader.llm_call("run") == found[2]
    assert await reader.llm_call("run", 2) == found[1]
    assert await reader.llm_call("run", 1) == found[0]
    assert await reader.llm_call("none") is None
    assert await reader.llm_call("run", 4) is None
    assert await reader.llm_call("run", 0) is None
    assert [await reader.count_llm_calls("run", until) for until in (0, 1, 2, 9)] == [1, 1, 2, 3]
    assert [await reader.has_llm_call("run", after) for after in (-1, 2, 3)] == [True, True, False]


async def test_a_call_is_compared_with_the_last_call_before_it_that_can_be_decoded(
    database: str, reader: Reader
) -> None:
    prompts = {"model": "m", "system_prompt": "s", "raw_response": "r"}
    broken = [[event(f"{name}{number}", "llm_called") for number in range(3)] for name in "ab"]
    first, last = (event(name, "llm_called", user_prompt=name, **prompts) for name in ("first", "last"))
    await insert_run(database, "run", 0, [*broken[0], first, *broken[1], last])

    for number in (4, 8):
        (from_all,) = [call async for call in reader.llm_calls("run") if call.number == number]
        assert await reader.llm_call("run", number) == from_all
    assert await reader.llm_call("run", 5) is None


async def test_the_last_events_of_runs_are_found_near_their_end_and_elsewhere(database: str, reader: Reader) -> None:
    late = [event("a", "run_failed", error="first"), event("b", "run_failed", error="last")]
    early = [event("a", "run_waiting"), *(event(f"e{number}") for number in range(150))]
    await insert_run(database, "late", 0, late)
    await insert_run(database, "early", 0, early)
    await insert_run(database, "never", 0, [event("a")])
    wanted = [("early", "run_waiting"), ("late", "run_failed"), ("never", "run_failed")]
    pairs = [(run, name) for run_id, name in wanted if (run := await reader.get_summary(run_id))]

    for found in (await reader.last_events(pairs), await RunSource.last_events(reader, pairs)):
        assert [stored and stored.seq for stored in found] == [0, 1, None]


async def test_the_new_events_of_many_runs_are_read_in_turns_and_bounded(
    database: str, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    await insert_run(database, "one", 0, [event(f"a{number}", data="x" * 100) for number in range(4)])
    await insert_run(database, "two", 0, [event(f"b{number}", data="x" * 100) for number in range(3)])
    await insert_run(database, "three", 0, [event("c")])

    async def new_events(**after: int) -> dict[str, list[int]]:
        found = await reader.new_events(after)
        assert set(found.runs) == after.keys() & {"one", "two"}  # also one whose events do not fit
        return {run_id: [stored.seq for stored in events] for run_id, events in found.events.items()}

    assert await new_events(one=1, two=-1, three=0, none=-1) == {"one": [2, 3], "two": [0, 1, 2]}
    monkeypatch.setattr("agent_runs.reader.new_events._MAX_STORED_BYTES", 850)
    assert await new_events(one=-1, two=-1) == {"one": [0, 1], "two": [0]}
    monkeypatch.setattr("agent_runs.reader.new_events._MAX_STORED_BYTES", 1)
    assert await new_events(one=2, two=-1) == {"one": [3]}


async def test_labels_and_open_questions_are_read_and_filter_lists(database: str, reader: Reader) -> None:
    # Given a run that asks two questions, an earlier one whose request was deleted, and one without questions,
    asked = [event("a", "tool_requested", tool_name="ask_human", tool_args={"question": "Which day?", "days": [1, 2]})]
    asked.append(event("b", "tool_requested", tool_name="ask_human", tool_args=["plain"]))
    questions = [{"id": "a", "tool_name": "ask_human"}, {"id": "b", "tool_name": "ask_human"}]
    labels = {"environment": "production", "version": "7"}
    await insert_run(database, "asks", 5, asked, questions=questions, labels=labels)
    await insert_run(database, "gone", 1, questions=questions[:1], labels={"environment": "test"})
    await insert_run(database, "asks nothing", 9, labels=labels)

    # when the questions are read, page by page, then those of the run that waits longest come first,
    lines = await reader.question_lines((await reader.waiting_runs()).runs)
    assert lines == [line_of_question(question) for question in (await reader.open_questions()).questions]
    first = await reader.open_questions(limit=1)
    assert [(found.run.id, found.id, found.request, found.text) for found in first.questions] == [
        ("gone", "a", None, "")
    ]
    second = await reader.open_questions(limit=1, cursor=first.cursor)
    assert [(found.run.id, found.text) for found in second.questions] == [("asks", "Which day?"), ("asks", '["plain"]')]
    assert second.questions[1].asked_at == at(5) + timedelta(seconds=1)
    assert second.cursor is None
    written = json.loads(second.questions[0].to_json())
    assert list(written) == ["run_id", "agent", "id", "tool_name", "text", "arguments", "seq", "asked_at"]
    assert (written["run_id"], written["text"], written["arguments"]["days"]) == ("asks", "Which day?", [1, 2])
    # and lists have them, and can be filtered by them.
    run = await reader.get_summary("asks")
    assert run is not None
    assert [question.id for question in run.open_questions] == ["a", "b"]
    assert run.labels == labels

    async def ids(**conditions: Any) -> list[str]:
        return await _ids(await reader.list_runs(RunFilter(**conditions)))

    assert await ids(has_open_questions=True) == ["asks", "gone"]
    assert await ids(labels={"environment": "production"}) == ["asks nothing", "asks"]
    assert await ids(labels=labels, has_open_questions=True) == ["asks"]
    assert await ids(labels={"environment": "production", "version": "8"}) == []


async def test_a_list_of_questions_does_not_load_large_requests(database: str, reader: Reader) -> None:
    # Given requests that are large as JSON, compressed or not, and as the exact message,
    texts = {
        "a": "x" * 300_000,
        "b": Random(1).randbytes(200_000).hex(),
        "c": "\0" + "y" * 300_000,
        "d": "z" * 1000,
    }
    asked = [event(name, "tool_requested", tool_name="t", tool_args={"text": text}) for name, text in texts.items()]
    await insert_run(database, "asks", 0, asked, questions=[{"id": name, "tool_name": "t"} for name in texts])
    # when their questions are listed, then only the beginnings of the large ones are loaded.
    found = (await reader.open_questions()).questions
    assert [len(question.text) for question in found] == [2000, 2000, 2000, 1000]
    assert [json.loads(each.to_json())["arguments"] for each in found] == [None] * 3 + [{"text": texts["d"]}]
    assert [each.request and (each.request.seq, each.request.type) for each in found] == [
        (seq, "tool_requested") for seq in range(4)
    ]
    assert max(len(question.to_json()) for question in found) < 5000


async def test_the_children_that_have_not_ended_are_found_for_many_parents(database: str, reader: Reader) -> None:
    for parent, statuses in (("p", ["running", "completed", "waiting", "running"]), ("q", ["failed", "running"])):
        await insert_run(database, parent, 0)
        for minute, status in enumerate(statuses, 1):
            await insert_run(database, f"{parent}{minute}", minute, parent=parent, status=status)
    for source in (Reader, RunSource):
        found = await source.unfinished_children(reader, ["p", "q", "none"], 2)
        assert sorted(child.id for child in found) == ["p3", "p4", "q2"]
        assert [child.id for child in found if child.parent_run_id == "p"] == ["p3", "p4"]


async def test_a_list_by_labels_can_use_the_index_of_labels(database: str) -> None:
    # Given a planner that reads a table or an index in order only if nothing else is possible,
    conditions = (*(None,) * 9, False, '{"team": "blue"}', False, False, None, None, 51)
    async with connect(database) as connection:
        await connection.execute("SET enable_seqscan = off; SET enable_indexscan = off")
        # when it plans the list of a label, then it uses the index of labels, also for a label that is rare.
        plan = await connection.fetch(f"EXPLAIN {QUERIES['list_runs']}", *conditions)
    assert "agent_runs_labels_idx" in "\n".join(line for (line,) in plan)


@pytest.mark.parametrize("time", ["20000-01-01Z", "0044-03-15Z BC", "infinity", "-infinity"])
async def test_a_time_that_python_cannot_represent_is_an_error_with_the_remedy(
    database: str, reader: Reader, time: str
) -> None:
    await insert_run(database, "run", 0, [event("e")])
    await execute(database, "ALTER TABLE run_events DISABLE TRIGGER USER")
    for column in ("created_at", "updated_at", "status_changed_at", "started_at"):
        await execute(database, f"UPDATE agent_runs SET {column} = '{time}'")
        with pytest.raises(ReaderError, match="changed by hand; `agent-runs-consumer verify`"):
            await reader.list_runs()
        with pytest.raises(ReaderError, match="changed by hand; `agent-runs-consumer verify`"):
            await reader.get_run("run")
        await execute(database, f"UPDATE agent_runs SET {column} = now()")
    await execute(database, f"UPDATE run_events SET created_at = '{time}'")
    with pytest.raises(ReaderError, match="changed by hand; `agent-runs-consumer verify`"):
        await reader.get_run("run")
