"""Answers of the viewer: published to a real Kafka, stored by the service, and shown."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from agent_runs.reader.queries import QUERIES
from tests.support.command_line import agent_runs
from tests.support.messages import Message, event
from tests.support.scene import Scene
from tests.support.servers.clients import connect
from tests.support.servers.logins import READER, login
from tests.support.stored_runs import insert_run
from tests.support.viewer_process import Answer, get, running_viewer, stream

RUN = "booking/7 é"
API, PAGE = (f"{root}{quote(RUN, safe='')}/answers" for root in ("/api/runs/", "/runs/"))


def asks(question_id: str, text: str) -> bytes:
    return event(question_id, "tool_requested", tool_name="ask_human", tool_args={"question": text})


async def post(port: int, path: str, fields: Any, user: str = "ada", **headers: str) -> Answer:
    """Send an answer: as JSON to the API, and as a form to a page."""
    is_form = path.startswith("/runs/")
    body = urlencode(fields) if is_form else json.dumps(fields)
    kind = "application/x-www-form-urlencoded" if is_form else "application/json"
    origin = {"Origin": f"http://127.0.0.1:{port}"} if is_form else {}
    return await get(port, path, "POST", body.encode(), Content_Type=kind, X_Forwarded_User=user, **origin, **headers)


async def test_an_answer_is_published_and_stored_and_the_second_person_is_told(scene: Scene) -> None:
    # Given a run that asks four questions,
    asked = [asks("one", "Yes?"), asks("two/2", "Which?"), asks("three", "Ünd?"), asks("four", "How many?")]
    await scene.publish(*(Message(RUN.encode(), value) for value in (event("s", "run_started"), *asked)))
    await scene.consume()
    async with (
        login(scene.database, READER) as url,
        running_viewer(
            url, scene.directory, **scene.kafka_environ, AGENT_RUNS_VIEWER_USER_HEADER="X-Forwarded-User"
        ) as port,
    ):

        async def page(path: str) -> str:
            answer = await get(port, path, X_Forwarded_User="ada")
            assert answer.status == 200
            return answer.text

        # then the inbox has them, in their order, each with a form that needs no script.
        inbox = await page("/inbox")
        assert [inbox.index(text) for text in ("Yes?", "Which?", "Ünd?", "How many?")] == sorted(
            inbox.index(text) for text in ("Yes?", "Which?", "Ünd?", "How many?")
        )
        assert inbox.count(f'<form method="post" action="{PAGE}/') == 4
        # When one is answered twice before the answer is stored, then the second answer is refused,
        watcher = stream(port, f"/api/runs/{quote(RUN, safe='')}/events/stream?after=4", X_Forwarded_User="ada")
        sent = await post(port, API, {"question": "one", "answer": "yes", "by": "mallory"})
        assert (sent.status, sent.json["state"], sent.json["answered_by"]) == (202, "sent", "ada")
        second = await post(port, API, {"question": "one", "answer": "no"}, user="bob")
        assert (second.status, second.json["error"][:33]) == (409, "This question was answered by ada")
        assert "not stored yet" in second.json["error"]
        assert "An answer was sent" in await page("/inbox")
        # a form leads to a page that says whether its answer is stored,
        form = await post(port, f"{PAGE}/two%2F2", {"answer": '{"seat": "7C"}', "form": "json"})
        assert (form.status, form.headers["location"].startswith(f"{PAGE}/two%2F2?event=")) == (303, True)
        assert "Sent" in await page(form.headers["location"])
        pressed = await post(port, f"{PAGE}/three", {"answer": "", "choice": "no"})
        # and an answer that another program has sent before is told when it is stored.
        other = event("other", "tool_succeeded", tool_name="ask_human", parent_event_id="four", result=1)
        await scene.publish(Message(RUN.encode(), other))
        # Of two answers that come at once, one is published.
        both = await asyncio.gather(*[post(port, API, {"question": "four", "answer": True}) for _ in range(2)])
        late, refused = sorted(both, key=lambda answer: answer.status)
        assert (late.status, refused.status) == (202, 409)
        await scene.consume()
        shown = await anext(watcher)
        assert [line["summary"] for line in shown.data if line["type"] == "tool_succeeded"][:2] == [
            'ask_human by ada → {"answer":"yes"}',
            'ask_human by ada → {"seat":"7C"}',
        ]
        await watcher.aclose()
        stored = (await get(port, f"{API}/one", X_Forwarded_User="bob")).json
        assert (stored["state"], stored["seq"], stored["answered_by"]) == ("stored", 5, "ada")
        assert "Answered" in await page(pressed.headers["location"])
        assert (await get(port, f"{API}/four", X_Forwarded_User="bob")).json["event_id"] == "other"
        assert "Another answer was stored first" in await page(f"{PAGE}/four?event={late.json['event_id']}")
        again = await post(port, API, {"question": "two/2", "result": None})
        assert (again.status, '(event 6): ask_human by ada → {"seat":"7C"}' in again.json["error"]) == (409, True)
        assert "No agent waits" in await page("/inbox")
        # Without the name of its user, a request has not come through the proxy.
        assert (await get(port, "/inbox")).status == 403
    results = await scene.rows(
        "SELECT event_data -> 'result', event_data ->> 'answered_by' FROM run_events WHERE event_seq > 4 "
        "ORDER BY event_seq"
    )
    assert [(json.loads(result), by) for result, by in results] == [
        ({"answer": "yes"}, "ada"),
        ({"seat": "7C"}, "ada"),
        ({"answer": "no"}, "ada"),
        (1, None),
        ({"answer": True}, "ada"),
    ]


async def test_of_two_people_who_answer_at_once_in_two_viewers_one_is_told_and_one_answer_is_published(
    scene: Scene,
) -> None:
    # Given a question that two viewers show,
    await scene.publish(Message(RUN.encode(), event("s", "run_started")), Message(RUN.encode(), asks("one", "Yes?")))
    await scene.consume()
    async with (
        login(scene.database, READER) as url,
        running_viewer(url, scene.directory, **scene.kafka_environ) as first,
        running_viewer(url, scene.directory, **scene.kafka_environ) as second,
    ):
        # when both answer before any answer is stored, then one is told so.
        answers = {"ada": first, "bob": second}
        sent = [post(port, API, {"question": "one", "answer": by, "by": by}) for by, port in answers.items()]
        refused, published = sorted(await asyncio.gather(*sent), key=lambda answer: answer.status, reverse=True)
        assert (published.status, refused.status) == (202, 409)
        assert "Another person answers this question" in refused.json["error"]
        # When it is stored, both viewers show it, and refuse others with it.
        await scene.consume()
        winner = published.json["answered_by"]
        for port in answers.values():
            state = (await get(port, f"{API}/one")).json
            assert (state["state"], state["answered_by"]) == ("stored", winner)
            late = await post(port, API, {"question": "one", "answer": "late"})
            assert (late.status, f"was answered by {winner}" in late.json["error"]) == (409, True)
    assert await scene.rows("SELECT count(*) FROM run_events WHERE event_type = 'tool_succeeded'") == [(1,)]


async def test_a_question_that_another_program_answers_is_refused_by_the_viewer_and_by_the_command_line(
    scene: Scene,
) -> None:
    # Given a question that another program has locked because it publishes an answer,
    await scene.publish(Message(RUN.encode(), event("s", "run_started")), Message(RUN.encode(), asks("one", "Yes?")))
    await scene.consume()
    arguments = ("answer", RUN, "no", "--by", "bob")
    async with (
        login(scene.database, READER) as url,
        running_viewer(url, scene.directory, **scene.kafka_environ) as port,
        connect(scene.database) as connection,
    ):
        transaction = connection.transaction()
        await transaction.start()
        await connection.fetch(QUERIES["lock_question"], RUN, "one")
        # when a person answers in the viewer or with the command line, then the answer is refused, and not published.
        refused = await post(port, API, {"question": "one", "answer": "yes", "by": "ada"})
        assert (refused.status, "Another person answers this question" in refused.json["error"]) == (409, True)
        command = await agent_runs(scene.environ(DATABASE_URL=url), *arguments)
        assert (command.exit_code, "another program publishes an answer" in command.errors) == (2, True)
        await transaction.rollback()
        # When the lock ends, then an answer is published, and the second person is told who has given it.
        assert (await post(port, API, {"question": "one", "answer": "yes", "by": "ada"})).status == 202
        await scene.consume()
        command = await agent_runs(scene.environ(DATABASE_URL=url), *arguments)
        assert (
            command.exit_code,
            'event 2 answered the last one: ask_human by ada → {"answer":"yes"}' in command.errors,
        ) == (
            2,
            True,
        )
    assert await scene.rows("SELECT count(*) FROM run_events WHERE event_type = 'tool_succeeded'") == [(1,)]


NO_ANSWERS: dict[str, tuple[Any, int]] = {
    "an array": ([], 400),
    "no question": ({"answer": "yes"}, 400),
    "two answers": ({"question": "q", "answer": "yes", "result": 1}, 400),
    "neither": ({"question": "q"}, 400),
    "an empty text": ({"question": "q", "answer": " \n"}, 400),
    "a number": ({"question": "q", "answer": 1}, 400),
    "an unknown field": ({"question": "q", "answer": "yes", "role": "waits"}, 400),
    "a name with a line break": ({"question": "q", "answer": "yes", "by": "a\nb"}, 400),
    "a lone surrogate": ({"question": "q\ud800", "answer": "yes"}, 400),
    "another question": ({"question": "r", "answer": "yes"}, 404),
    "an event that is not a question": ({"question": "s", "answer": "yes"}, 404),
}


async def test_what_is_not_an_answer_is_refused_and_kafka_that_is_away_is_reported(
    database: str, tmp_path: Path
) -> None:
    questions = [{"id": "q", "tool_name": "ask_human"}]
    await insert_run(database, "run", 1, [event("s"), asks("q", "?")], status="waiting", questions=questions)
    await insert_run(database, "over", 1, [event("s"), asks("q", "?")], status="completed")
    with socket.create_server(("127.0.0.1", 0)) as taken:  # accepts connections, and answers nothing
        kafka = f"127.0.0.1:{taken.getsockname()[1]}"
        async with running_viewer(
            database, tmp_path, KAFKA_BOOTSTRAP_SERVERS=kafka, AGENT_RUNS_REQUEST_TIMEOUT_S="0.2"
        ) as port:
            for name, (fields, status) in NO_ANSWERS.items():
                refused = await post(port, "/api/runs/run/answers", fields)
                assert (name, refused.status) == (name, status)
            deep = b'{"question": "q", "result": %s}' % (b"[" * 600 + b"]" * 600)
            assert (
                await get(port, "/api/runs/run/answers", "POST", deep, Content_Type="application/json")
            ).status == 400
            assert (await post(port, "/runs/run/answers/q", {"answer": "a", "choice": "no"})).status == 400
            assert (await post(port, "/runs/run/answers/q", [("answer", "a"), ("answer", "b")])).status == 400
            assert (await post(port, "/api/runs/over/answers", {"question": "q", "answer": "yes"})).status == 409
            assert (await post(port, "/api/runs/none/answers", {"question": "q", "answer": "yes"})).status == 404
            # An answer that Kafka did not acknowledge leaves the question open, and may be sent again.
            for _ in range(2):
                failed = await post(port, "/api/runs/run/answers", {"question": "q", "answer": "yes"})
                assert (failed.status, failed.json["error"][:37]) == (502, "Kafka did not acknowledge the answer:")
            assert (await get(port, "/api/runs/run/answers/q")).json["state"] == "open"
            assert "<textarea" in (await get(port, "/runs/run")).text
            page = await post(port, "/runs/run/answers/q", {"choice": "yes"})
            assert (page.status, "http-equiv" in page.text) == (502, False)  # it would not be sent again by a reload
