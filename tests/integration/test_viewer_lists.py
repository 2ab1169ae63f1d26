"""The lists of the viewer: they follow what is stored, and runs are found by a text."""

import html
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.support.messages import event
from tests.support.servers.clients import execute
from tests.support.stored_runs import insert_run
from tests.support.viewer_process import get, running_viewer, stream

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e"


async def address_of_stream(port: int, path: str) -> str:
    page = await get(port, path)
    assert page.status == 200
    (address,) = re.findall(r'data-live="([^"]*)"', page.text)
    return html.unescape(address)


async def test_lists_follow_what_is_stored_and_new_runs_are_counted(database: str, tmp_path: Path) -> None:
    ask = event("q", "tool_requested", tool_name="ask_human", tool_args={"question": "?"})
    question = [{"id": "q", "tool_name": "ask_human"}]
    await insert_run(database, "old/1", 1, [event("a")], agent="planner")
    await insert_run(database, "asks", 2, [ask], status="waiting", questions=question)
    async with running_viewer(database, tmp_path) as port:
        # Given a list, a filtered one, and the inbox, each of which gets the runs that it shows,
        runs, planner, inbox = [
            stream(port, await address_of_stream(port, path)) for path in ("/", "/?agent=planner", "/inbox")
        ]
        for watcher, ids in ((runs, {"old/1", "asks"}), (planner, {"old/1"}), (inbox, {"asks"})):
            first = await anext(watcher)
            assert (first.name, {run["id"] for run in first.data}) == ("runs", ids)
        # when two runs are new and another one is answered,
        await insert_run(database, "new", 3, agent="planner")
        await insert_run(database, "also asks", 4, [ask], status="waiting", questions=question)
        await execute(database, "UPDATE agent_runs SET status = 'running', open_questions = '[]' WHERE id = 'asks'")
        # then each list counts what meets its condition, and shows the change.
        for watcher, count in ((runs, 2), (planner, 1), (inbox, 1)):
            found: dict[str, Any] = {}
            while found.get("new", {}).get("count") != count:
                message = await anext(watcher)
                found[message.name] = message.data
            if watcher is not planner:
                (changed,) = found.get("runs") or (await anext(watcher)).data
                assert (changed["id"], changed["status"], changed["open_questions"]) == ("asks", "running", [])
            await watcher.aclose()
        # A page that is not the first one counts from the first run of the list.
        assert "newest=" in await address_of_stream(port, "/?status=running")
        assert (await get(port, "/api/live/runs?newest=AA")).status == 400
        assert (await get(port, "/api/live/runs?run=" + "&run=".join(map(str, range(51))))).status == 400
        assert (await get(port, "/api/live/questions", "HEAD")).status == 200


async def test_a_run_is_found_by_the_beginning_of_its_names_and_by_its_error(database: str, tmp_path: Path) -> None:
    failed = event("f", "run_failed", error="The Grinder screams")
    await insert_run(database, "booking-1", 1, agent="planner", session="s-1")
    await insert_run(database, "booking-2", 2, agent="planner-2")
    await insert_run(database, "bookinh", 3, [event("a"), failed], agent="other", status="failed")
    await insert_run(database, "b\U0010ffff" + HOSTILE, 4)
    async with running_viewer(database, tmp_path) as port:

        async def found(text: str) -> list[str]:
            page = await get(port, f"/find?text={quote(text)}")
            assert (page.status, "<script>alert" in page.text) == (200, False)
            return re.findall(r'href="([^"]*)"[^>]*class="row-link"', page.text)

        exact = await get(port, "/find?text=booking-1")
        assert (exact.status, exact.headers["location"]) == (303, "/runs/booking-1")
        assert await found("booking") == ["/runs/booking-1", "/runs/booking-2"]
        assert await found("plann") == ["/?agent=planner", "/?agent=planner-2"]
        assert await found("s-") == ["/?session=s-1"]
        assert await found("GRINDER") == ["/runs/bookinh"]
        assert len(await found("b\U0010ffff<script>")) == 1
        assert await found("b\U0010ffff") != []
        assert await found("%") == await found("zzz") == await found("") == []


async def test_a_filter_that_is_not_valid_is_shown_in_its_form_with_what_is_wrong(
    database: str, tmp_path: Path
) -> None:
    async with running_viewer(database, tmp_path) as port:
        page = await get(port, "/?agent=planner&created_from=yesterday")
    assert page.status == 400
    assert "Created from: 'yesterday' is not a time like" in page.text
    assert 'value="planner"' in page.text
    assert 'value="yesterday"' in page.text
