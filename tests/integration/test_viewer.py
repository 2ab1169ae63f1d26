"""The viewer: its JSON API and its pages, from a real process and real tables."""

import json
import socket
from base64 import b64encode
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest

from agent_runs.reader import LlmCall, Reader, RunFilter
from tests.support.command_line import agent_runs
from tests.support.consumer_process import ConsumerProcess
from tests.support.messages import event
from tests.support.paths import CHECKOUT
from tests.support.proxy.proxy import DatabaseProxy
from tests.support.servers.clients import connect, execute
from tests.support.servers.logins import READER, login
from tests.support.stored_runs import at, insert_event, insert_run
from tests.support.viewer_process import Answer, ServerSentEvent, get, running_viewer, stream
from tests.support.waiting import until
from viewer.offline_timeline import StepFinder
from viewer.server import run

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&\x1b[31m\u202egnp\u202c\r\n/../%2F?#"
ESCAPES = ("\\x1b", "\\u202e", "\\u202c")
ASKED = {"model": "m", "system_prompt": "s", "user_prompt": "u"}
PROMPT = {**ASKED, "raw_response": "r"}
TOKEN = "open-sesame-open-sesame"


def call(event_id: str, prompt: str) -> bytes:
    return event(event_id, "llm_called", model="m", system_prompt="s", user_prompt=prompt, raw_response="r")


def chat(*texts: str) -> str:
    return json.dumps([{"role": "user", "content": text} for text in texts])


def path_of(run_id: str, rest: str = "") -> str:
    return f"/runs/{quote(run_id, safe='')}{rest}"


async def test_the_api_has_the_json_of_the_reader(database: str, tmp_path: Path) -> None:
    # Given three runs, one of which waits for an answer,
    messages = [event("a"), call("b", chat("x")), call("c", chat("x", "y")), event("d", "ask", tool_name="t")]
    question = [{"id": "q", "tool_name": "ask_human"}]
    asked = event("q", "tool_requested", tool_name="ask_human", tool_args={"question": "Yes?"})
    await insert_run(database, "one", 1, messages, agent="planner", labels={"env": "test"})
    await insert_run(database, "two/a b", 2, [asked], status="waiting", questions=question)
    await insert_run(database, "three", 3, [], dropped=2, parent="one")
    async with (
        login(database, READER) as url,
        running_viewer(url, tmp_path) as port,
        Reader(url) as reader,
    ):
        # then the pages of the list are those of the reader,
        first = (await get(port, "/api/runs?limit=2")).json
        second = (await get(port, f"/api/runs?limit=2&cursor={first['cursor']}")).json
        stored = [json.loads(each.to_json()) for each in (await reader.list_runs()).runs]
        assert first["runs"] + second["runs"] == stored
        assert second["cursor"] is None
        # with its conditions,
        for query, condition in {
            "agent=planner&label=env%3Dtest": RunFilter(agent="planner", labels={"env": "test"}),
            "status=waiting&has_open_questions=1": RunFilter(has_open_questions=True),
            "top_level=1": RunFilter(top_level=True),
            "has_dropped_events=1&created_from=2026-01-01&stale_for=1d": RunFilter(has_dropped_events=True),
        }.items():
            found = (await get(port, f"/api/runs?{query}")).json["runs"]
            assert [each["id"] for each in found] == [each.id for each in (await reader.list_runs(condition)).runs]
        # as are a run, its events, its prompts and the open questions.
        assert (await get(port, "/api" + path_of("two/a b"))).json["id"] == "two/a b"
        assert (await get(port, "/api/runs/one/events/1")).json["event"] == json.loads(messages[1])
        assert [line["seq"] for line in (await get(port, "/api/runs/one/events?after=0&limit=2")).json["events"]] == [
            1,
            2,
        ]
        of_type = (await get(port, "/api/runs/one/events?type=llm_called")).json
        assert ([line["id"] for line in of_type["events"]], of_type["after"]) == (["b", "c"], None)
        stored_call = await reader.llm_call("one", 2)
        assert isinstance(stored_call, LlmCall)
        answered = (await get(port, "/api/runs/one/calls/2")).json
        assert answered["user_prompt"] == stored_call.user_prompt
        assert [change["path"] for change in answered["changes"]] == [["user_prompt", 1]]
        (asked_question,) = (await get(port, "/api/questions")).json["questions"]
        assert (asked_question["run_id"], asked_question["text"]) == ("two/a b", "Yes?")
        assert (await get(port, "/api/status")).json["runs"]["waiting"] == {"count": 1, "is_estimate": False}
        # Every path of the OpenAPI document exists.
        paths = (await get(port, "/api/openapi.json")).json["paths"]
        for path in {path for path in paths if not path.endswith("/stream") and "/live/" not in path}:
            address = path.replace("{id}", "one").replace("{seq}", "0").replace("{n}", "1")
            address += "?q=x" if path.endswith("/search") else ""
            if "get" in paths[path] and "{question}" not in path:
                assert (await get(port, address)).status == 200, path
        assert (await get(port, "/api" + path_of("two/a b", "/answers/q"))).json["state"] == "open"


class Tags(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def assert_harmless(answer: Answer) -> None:
    """Require that a page has no script, style, or address of its own content, and shows what is not printable."""
    page = Tags(answer.text)
    assert "script-src 'self';" in answer.headers["content-security-policy"]
    for tag, attributes in page.tags:
        assert tag not in ("style", "iframe", "object", "img", "base")
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        for name in ("src", "href", "action"):
            assert (attributes.get(name) or "/").startswith(("/", "#")), attributes
    assert {attributes["src"] for tag, attributes in page.tags if tag == "script"} <= {
        f"/static/{name}.js" for name in ("page", "runs", "transcript", "prompt", "inbox", "timeline", "compare")
    }
    assert not set("\x1b\u202e\u202c") & set(page.text)
    assert all(escape in page.text for escape in ESCAPES)
    assert "<script>alert(1)</script>" in page.text


async def test_hostile_content_is_shown_harmless_and_visible_on_every_page(database: str, tmp_path: Path) -> None:
    text = HOSTILE + "\ud800\0"  # which JSONB cannot hold
    fields = {"model": text, "system_prompt": text, "user_prompt": text, "raw_response": text}
    messages = [
        event("a", "llm_called", **fields),
        event("b", "llm_called", **{**fields, "user_prompt": chat(text), "usage": text}),
        event("c", "tool_requested", tool_name=HOSTILE, tool_args={"question": text}),
        event("d", "run_failed", error=text),
    ]
    columns = {"agent": HOSTILE, "session": HOSTILE, "labels": {HOSTILE: HOSTILE}}
    await insert_run(
        database, HOSTILE, 1, messages, status="failed", questions=[{"id": "c", "tool_name": HOSTILE}], **columns
    )
    async with running_viewer(database, tmp_path) as port:
        for path in (
            "/",
            f"/?agent={quote(HOSTILE)}&label={quote(f'a={HOSTILE}')}",
            path_of(HOSTILE),
            path_of(HOSTILE, f"?type={quote(HOSTILE)}"),
            "/inbox",
            path_of(HOSTILE, "/calls/1"),
            path_of(HOSTILE, "/calls/2"),
            path_of(HOSTILE, "/calls/2?view=whole"),
            path_of(HOSTILE, "/timeline"),
            f"/compare?a={quote(HOSTILE)}&b={quote(HOSTILE)}",
        ):
            answer = await get(port, path)
            assert answer.status == 200, path
            if path == "/" or not path.startswith("/?"):
                assert_harmless(answer)
        # The API has the exact texts.
        lines = (await get(port, "/api" + path_of(HOSTILE, "/events"))).json["events"]
        assert "\ud800" in lines[3]["summary"]
        assert (await get(port, "/api" + path_of(HOSTILE, "/events/3"))).json["event"]["error"] == text
        assert (await get(port, "/api" + path_of(HOSTILE, "/calls/1"))).json["user_prompt"] == text
        # An event leads to its prompt, and a page of an error quotes what it was asked for.
        answer = await get(port, path_of(HOSTILE, "/events/1/prompt"))
        assert (answer.status, answer.headers["location"]) == (307, path_of(HOSTILE, "/calls/2"))
        missing = await get(port, path_of(HOSTILE + "2"))
        assert missing.status == 404
        assert "<script>alert" not in missing.text
        assert "nosniff" in missing.headers["x-content-type-options"]


async def test_the_timeline_of_a_run_shows_calls_that_overlap_and_those_of_its_children(
    database: str, tmp_path: Path
) -> None:
    # Given a run with two calls of a tool that overlap and one without an answer, and a child,
    messages = [
        event("l", "llm_called", **PROMPT),
        event("a", "tool_requested", parent_event_id="l"),
        event("b", "tool_requested", parent_event_id="l"),
        event("x", "tool_failed", parent_event_id="a", tool_name="fetch", error="e"),
        event("y", "tool_succeeded", parent_event_id="b", tool_name="search", result=1),
        event("c", "tool_requested", parent_event_id="y"),
    ]
    await insert_run(database, "run", 1, messages)
    await insert_run(database, "child", 1.5, [event("l", "llm_called", **PROMPT)], parent="run", status="completed")
    async with running_viewer(database, tmp_path) as port:
        answer = await get(port, "/runs/run/timeline")
        # then each call is a link to its event, with its duration, also in a table,
        page = Tags(answer.text)
        links = {each["href"]: each["aria-label"] for _, each in page.tags if {"href", "aria-label"} <= each.keys()}
        assert links == {
            "/runs/run#0": "model m, 0ms, +0ms",
            "/runs/run#3": "tool fetch, 2.0s until it failed, +1.0s",
            "/runs/run#4": "tool search, 2.0s, +2.0s",
            "/runs/run#5": "tool search, not answered, +5.0s",
            "/runs/child#0": "model m, 0ms, +30s",
        }
        assert sum(each.get("class") == "column" for _, each in page.tags) == 6
        # those that overlap in lanes of their own,
        tops = [each["y"] for tag, each in page.tags if tag == "svg" and "y" in each]
        assert tops == ["2", "2", "22", "2", "2"]
        # and a part of the time shows what is in it.
        begin = round(at(1).timestamp() * 1000)
        part = await get(port, f"/runs/run/timeline?from={begin + 2500}&to={begin + 3500}")
        assert [link for link in links if f'"{link}"' in part.text] == ["/runs/run#3", "/runs/run#4"]
        assert (await get(port, "/runs/run/timeline?from=5&to=5")).status == 400
        assert (await get(port, "/runs/run/timeline?from=0&to=253402300799000")).status == 200  # all times that exist
    # An exported page finds the same steps in the events.
    async with Reader(database) as reader:
        steps = StepFinder("run")
        async for stored in reader.get_run_events("run"):
            steps.add(stored)
        assert steps.timeline() == await reader.timeline(["run"])


async def test_two_runs_are_compared_and_a_replay_leads_to_its_original_and_back(database: str, tmp_path: Path) -> None:
    first = [event("a", "input", data="x"), event("b", "tool_requested", tool_args={"q": [1, 2]}), event("c")]
    second = [event("a2", "input", data="x"), event("b2", "tool_requested", tool_args={"q": [1, 3]})]
    await insert_run(database, "one", 1, first)
    await insert_run(database, "two", 2, second, labels={"replay_of": "one"})
    async with running_viewer(database, tmp_path) as port:
        compare = "/compare?a=one&b=two"
        for path in ("/runs/one", "/runs/two"):
            assert any(each.get("href") == compare for _, each in Tags((await get(port, path)).text).tags), path
        # The page of the replay, the JSON API and the command line name the original.
        (found,) = (await get(port, "/api/runs?label=replay_of%3Done")).json["runs"]
        assert (found["id"], found["labels"]) == ("two", {"replay_of": "one"})
        assert (await get(port, "/api/runs/two")).json["labels"] == {"replay_of": "one"}
        assert "/runs/one" in [each.get("href") for _, each in Tags((await get(port, "/runs/two")).text).tags]
        environ = {"DATABASE_URL": database}
        listed = await agent_runs(environ, "runs", "--label", "replay_of=one")
        assert [line.rstrip().endswith("  replay of one") for line in listed.output.splitlines()] == [False, True]
        assert "origin   replay of one\n" in (await agent_runs(environ, "show", "two")).output
        text = Tags((await get(port, compare)).text).text
        assert "1 event equal, 1 different, 1 only in the first run, 0 only in the second" in text
        assert "tool_args.q[1]" in text
        assert "No differences: 2 events in both" in (await get(port, "/compare?a=two&b=two")).text
        assert (await get(port, "/compare?a=one&b=none")).status == 404
        assert (await get(port, "/compare?a=one")).status == 200
        await execute(database, "UPDATE agent_runs SET event_count = 5001 WHERE id = 'one'")
        refused = await get(port, compare)
        assert (refused.status, "agent-runs diff" in refused.text) == (413, True)


async def test_the_structure_the_search_and_the_tokens_of_a_run_are_read_in_parts(
    database: str, tmp_path: Path
) -> None:
    # Given two calls of a tool that interleave, two calls of a model, and texts that JSON escapes,
    messages = [
        event("s", "run_started"),
        event("l", "llm_called", parent_event_id="s", **PROMPT, usage={"input_tokens": 5, "cost": 0.25, "x": "y"}),
        event("a", "tool_requested", parent_event_id="l", tool_args={"q": 'a "Needle"\n\N{SNOWMAN}'}),
        event("b", "tool_requested", parent_event_id="l", tool_args={"q": "back\\slash\0"}),
        event("y", "tool_succeeded", parent_event_id="b", tool_name="t", result=None),
        event("x", "tool_failed", parent_event_id="a", tool_name="t", error="needle"),
        event("m", "llm_failed", parent_event_id="none", **ASKED, error="e", usage={"input_tokens": 7}),
    ]
    await insert_run(database, "run", 1, messages)
    async with running_viewer(database, tmp_path) as port:
        # then the structure has the numbers of the parents, also of those in an earlier part,
        found = (await get(port, "/api/runs/run/structure?after=3")).json
        assert [found["types"][index] for index in found["type"]] == ["tool_succeeded", "tool_failed", "llm_failed"]
        assert (found["after"], found["parent"]) == (3, [3, 2, -1])
        assert [at - found["at"][0] for at in found["at"]] == [0, 1000, 2000]
        assert (await get(port, "/api/runs/run/structure?limit=2")).json["parent"] == [-1, 0]
        # a text is found whatever its case, as it is in a text, or as it is in the JSON,
        for text, hits in {
            "needle": [2, 5],
            'A "needle"\n\N{SNOWMAN}': [2],
            "back\\slash": [3],
            '"tool_name": "t"': [4, 5],
            "nothing": [],
        }.items():
            assert (text, await search(port, text)) == (text, hits)
        assert (await get(port, "/api/runs/run/search?q=needle&after=2&type=tool_failed")).json["hits"] == [5]
        # and the tokens are the sums of what the calls say.
        assert (await get(port, "/api/runs/run/usage")).json == {
            "calls": 2,
            "numbers": {"input_tokens": 12, "cost": 0.25},
            "searched_to": 6,
            "is_complete": True,
        }


async def search(port: int, text: str) -> list[int]:
    """Search the run of 7 events, in as many requests as it takes."""
    hits: list[int] = []
    found = {"searched_to": -1, "is_complete": False}
    while not found["is_complete"]:
        found = (await get(port, f"/api/runs/run/search?q={quote(text)}&after={found['searched_to']}")).json
        hits += found["hits"]
    assert found["searched_to"] == 6
    return hits


REFUSED = {
    "/api/runs/one/search": 400,
    "/api/runs/one/structure?limit=5001": 400,
    "/api/runs/none/usage": 404,
    "/nothing": 404,
    "/runs/none": 404,
    "/runs/one/calls/1": 404,
    "/runs/one/calls/x": 404,
    "/runs/%FF": 404,
    "/runs/a%00b": 404,
    "/api/runs/one/events/99": 404,
    "/api/runs/one/events/-1": 404,
    "/api/runs/none/events": 404,
    "/api/runs?limit=0": 400,
    "/api/runs?limit=1e3": 400,
    "/api/runs?status=lost": 400,
    "/api/runs?cursor=AAAA": 400,
    "/api/runs?stale_for=1y": 400,
    "/api/runs?created_from=yesterday": 400,
    "/api/runs?agent=a%00b": 400,
    "/api/runs?agent=" + "a" * 1001: 400,
    "/api/runs?agent=%FF": 400,
    "/api/runs?agent=a&agent=b": 400,
    "/api/runs?cursor=WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwIiwiYSJd": 400,
    "/api/runs?label=x": 400,
    "/api/runs?limt=1": 400,
    "/api/runs/one/events?after=9999999999": 400,
    "/api/runs?" + "agent=a&" * 1100: 414,
    "/static/../settings.py": 404,
    "/static/%2e%2e/settings.py": 404,
    "/static/..%2fsettings.py": 404,
}

HOSTS = {
    "evil.org": 421,
    "127.0.0.1.evil.org": 421,
    "localhost.": 421,
    "evil.org@127.0.0.1": 421,
    "127.0.0.1:80@evil.org": 421,
    "2130706433": 421,
    "[::1": 421,
    "": 421,
    "localhost:1": 200,
    "LOCALHOST": 200,
    "[::1]:8020": 200,
}
# The headers of a request that writes, and the status of a form and of JSON. 400: it was accepted, but has no answer.
ORIGINS: list[tuple[dict[str, str], int, int]] = [
    ({}, 403, 400),
    ({"Sec_Fetch_Site": "same-origin"}, 400, 400),
    ({"Sec_Fetch_Site": "same-site"}, 403, 403),
    ({"Sec_Fetch_Site": "cross-site"}, 403, 403),
    ({"Sec_Fetch_Site": "none"}, 403, 403),
    ({"Sec_Fetch_Site": "cross-site", "Origin": "http://127.0.0.1:PORT"}, 403, 403),
    ({"Origin": "http://127.0.0.1:PORT"}, 400, 400),
    ({"Origin": "null"}, 403, 403),
    ({"Origin": ""}, 403, 403),
    ({"Origin": "http://127.0.0.1:1"}, 403, 403),
    ({"Origin": "http://evil.org"}, 403, 403),
    ({"Origin": "http://[evil"}, 403, 403),
    ({"Origin": "http://evil.org@127.0.0.1:PORT"}, 403, 403),
]


async def test_requests_that_are_not_for_it_are_refused_with_a_sentence(database: str, tmp_path: Path) -> None:
    await insert_run(database, "one", 1, [event("a")])
    async with running_viewer(database, tmp_path) as port:
        for path, status in REFUSED.items():
            answer = await get(port, path)
            assert (path[:60], answer.status) == (path[:60], status)
            if path.startswith("/api"):
                assert len(answer.json["error"]) > 10
        # A page of another site may have a name that leads here.
        for host, status in HOSTS.items():
            assert ((await get(port, "/", Host=host)).status, host) == (status, host)
        # It may also send a form, with the credentials of the browser.
        for headers, form_status, json_status in ORIGINS:
            named = {name: text.replace("PORT", str(port)) for name, text in headers.items()}
            for path, kind, status in (
                ("/runs/one/answers/q", "application/x-www-form-urlencoded", form_status),
                ("/api/runs/one/answers", "application/json; charset=utf-8", json_status),
            ):
                answer = await get(port, path, "POST", b"{}", Content_Type=kind, **named)
                is_other_site = "another site" in answer.text
                assert (headers, path, answer.status, is_other_site) == (headers, path, status, status == 403)
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
            assert (await get(port, "/api/runs/one/answers", "POST", b"{}", Content_Type=kind)).status == 415
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"):
            answer = await get(port, "/api/runs/one/answers", method, X_HTTP_Method_Override="POST")
            assert (answer.status, answer.headers.get("access-control-allow-origin")) == (405, None)
        large = b'{"question": "q", "answer": "%s"}' % (b"a" * 300_000)
        assert (await get(port, "/api/runs/one/answers", "POST", large, Content_Type="application/json")).status == 413
        assert (await get(port, "/api/runs", "POST", b"{}")).status == 405
        assert (await get(port, "/api/runs", "GET", b"{}")).status == 413
        head = await get(port, "/", "HEAD")
        assert (head.status, head.body) == (200, b"")
        assert ("set-cookie" in head.headers, head.headers["cache-control"]) == (False, "no-store")
        assert (await get(port, "/api/runs/one/events/stream", "HEAD")).status == 200
        assert (await get(port, "/static/viewer.css")).headers["cache-control"] == "no-cache"


async def test_with_a_token_only_requests_that_have_it_are_answered(database: str, tmp_path: Path) -> None:
    def basic(user: str, password: str) -> str:
        return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"

    async with running_viewer(database, tmp_path, AGENT_RUNS_VIEWER_TOKEN=TOKEN) as port:
        for wrong in (
            "",
            "Bearer",
            f"Bearer {TOKEN}x",
            basic("a", "b"),
            "Basic ?",
            f"Digest {TOKEN}",
            f"Basic {TOKEN}",
        ):
            answer = await get(port, "/api/status", Authorization=wrong)
            assert (answer.status, answer.headers["www-authenticate"][:12]) == (401, "Basic realm=")
        # The page that asks for the token has its style,
        assert (await get(port, "/static/viewer.css")).status == 200
        assert (await get(port, "/static/../api/runs")).status == 404
        for right in (f"Bearer {TOKEN}", f"bearer  {TOKEN}", basic("", TOKEN), basic("ada", TOKEN)):
            assert (await get(port, "/api/status", Authorization=right, Host="runs.example.org")).status == 200


async def test_new_events_come_to_all_watchers_and_a_watcher_continues_where_it_was(
    database: str, tmp_path: Path
) -> None:
    await insert_run(database, "run", 1, [event("a"), event("b")])
    async with running_viewer(database, tmp_path) as port:
        # Given two watchers, one of which has no event yet,
        path = "/api/runs/run/events/stream?after="
        late, early = stream(port, path + "1"), stream(port, path + "-1")
        first = await anext(early)
        assert (first.name, first.id, [line["id"] for line in first.data]) == ("lines", "1", ["a", "b"])
        assert [(await anext(each)).name for each in (early, late)] == ["run", "run"]
        # when an event is stored, then both get it, and the run after it.
        await insert_event(database, "run", 2, event("c", "run_failed", error="lost"))
        await execute(database, "UPDATE agent_runs SET status = 'failed', event_count = 3")
        for each in (early, late):
            lines = await anext(each)
            assert (lines.id, [line["summary"] for line in lines.data]) == ("2", ["lost"])
            assert (await anext(each)).name == "run"
            await each.aclose()
        # A client that connects again names its last event.
        again = stream(port, path + "-1", Last_Event_ID="1")
        assert [line["id"] for line in (await anext(again)).data] == ["c"]
    # SIGTERM has ended its stream.
    await again.aclose()


async def test_without_postgresql_pages_say_so_and_recover(database: str, tmp_path: Path) -> None:
    await insert_run(database, "run", 1, [event("a")])
    async with (
        DatabaseProxy(database) as proxy,
        running_viewer(proxy.database_url, tmp_path, AGENT_RUNS_DATABASE_TIMEOUT_S="0.5") as port,
    ):
        proxy.silent_from = b"BEGIN"
        document, page = await get(port, "/api/runs"), await get(port, "/runs/run")
        for answer in (document, page):
            assert (answer.status, answer.headers["retry-after"]) == (503, "3")
            assert "PostgreSQL" in answer.text
        assert ("meta", {"http-equiv": "refresh", "content": "3"}) in Tags(page.text).tags
        proxy.heal()

        async def is_back() -> bool:
            return (await get(port, "/runs/run")).status == 200

        await until(is_back, "the page is back")


async def test_whatever_postgresql_refuses_pages_and_streams_say_so_and_recover(database: str, tmp_path: Path) -> None:
    await insert_run(database, "run", 1, [event("a")])
    async with (
        login(database, READER) as url,
        running_viewer(url, tmp_path, AGENT_RUNS_DATABASE_TIMEOUT_S="0.5") as port,
        connect(database) as owner,
    ):
        role = url.split("/")[2].partition(":")[0]
        # Given streams that are open, when PostgreSQL refuses to be read in one of several ways, then all say so.
        streams = [stream(port, path) for path in ("/api/runs/run/events/stream?after=0", "/api/live/runs?run=run")]
        for each in streams:
            await anext(each)
        lost = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"
        for refuse, allow, sentence in (
            (f"REVOKE {READER} FROM {role}", f"GRANT {READER} TO {role}", f"GRANT {READER} TO the login"),
            (f"ALTER ROLE {role} CONNECTION LIMIT 0; {lost}", f"ALTER ROLE {role} CONNECTION LIMIT -1", "too many"),
            ("BEGIN; LOCK TABLE agent_runs", "ROLLBACK", "PostgreSQL"),
        ):
            await owner.execute(refuse)
            for path in ("/", "/runs/run", "/api/questions"):
                await wait_for_answer(port, path, 503, sentence)
            for each in streams:
                await wait_for_problem(each, sentence)
            await owner.execute(allow)
            for each in streams:
                await wait_for_problem(each, "")
            await wait_for_answer(port, "/runs/run", 200)
        for each in streams:
            await each.aclose()


async def wait_for_answer(port: int, path: str, status: int, sentence: str = "") -> None:
    """Wait until an answer has this status and this sentence: a busy PostgreSQL may not answer in time at first."""

    async def is_as_expected() -> bool:
        answer = await get(port, path)
        return answer.status == status and sentence in answer.text

    await until(is_as_expected, f"{path} answers {status} with {sentence!r}")


async def wait_for_problem(messages: AsyncIterator[ServerSentEvent], sentence: str) -> None:
    """Read a stream until it tells a problem with this sentence; if that is empty, until there is none any more."""
    async for message in messages:
        if message.name == "problem" and (sentence in message.data if sentence else not message.data):
            return
    raise AssertionError("the stream has ended")


async def test_without_the_tables_pages_name_the_remedy_until_they_exist(empty_database: str, tmp_path: Path) -> None:
    async with running_viewer(empty_database, tmp_path) as port:
        for path in ("/", "/api/runs"):
            answer = await get(port, path)
            assert (answer.status, "agent-runs-consumer migrate" in answer.text) == (503, True)
        await execute(empty_database, (CHECKOUT / "schema" / "schema.sql").read_text(encoding="utf-8"))
        assert (await get(port, "/")).status == 200


async def test_a_port_in_use_is_refused_with_the_name_of_its_setting(database: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        environ = {"DATABASE_URL": database, "AGENT_RUNS_VIEWER_PORT": port}
        process = ConsumerProcess("viewer", (), environ, tmp_path / "viewer.log")
        assert await process.wait_for_exit() == 2
    assert process.output == f"error: AGENT_RUNS_VIEWER_PORT: port {port} of 127.0.0.1 is in use: set another one\n"


def test_missing_settings_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run({"AGENT_RUNS_VIEWER_HOST": "0.0.0.0"}) == 2
    lines = capsys.readouterr().err.splitlines()

    assert [line.split(":")[1].strip() for line in lines] == ["AGENT_RUNS_VIEWER_TOKEN", "DATABASE_URL"]
