"""Takes answers to questions, and shows what has become of a question: as pages, and in the API."""

from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from agent_runs.codec.lossy_json import dump_struct
from viewer.answer_document import AnswerDocument
from viewer.answer_form import answers_of_viewer
from viewer.answer_requests import answer_of_form, answer_of_json
from viewer.api import struct_response
from viewer.html import el, time_element
from viewer.layout import facts, page, status_badge
from viewer.parameters import Address, Parameters, path_part

_REFRESH_S: Final = 1


async def post_answer(request: Request) -> Response:
    """Publish an answer of the API, and return it when Kafka has acknowledged it."""
    Parameters(request, ())
    new = await answer_of_json(request)
    sent = await answers_of_viewer(request).send(path_part(request, "run"), new.question_id, new.result, new.by)
    location = Address(sent.run_id).api(Address.answer(sent.question_id))
    return Response(dump_struct(sent), 202, {"Location": location}, "application/json")


async def get_answer(request: Request) -> Response:
    """Return what has become of a question."""
    Parameters(request, ())
    return struct_response(await _state(request))


async def post_form(request: Request) -> Response:
    """Publish the answer of a form, and lead to the page of the question."""
    Parameters(request, ())
    new = await answer_of_form(request, path_part(request, "question"))
    sent = await answers_of_viewer(request).send(path_part(request, "run"), new.question_id, new.result, new.by)
    address = Address(sent.run_id).page(Address.answer(sent.question_id))
    return RedirectResponse(f"{address}?{urlencode({'event': sent.event_id})}", 303)


async def answer_page(request: Request) -> Response:
    """Return the page of a question: whether it is answered, by whom, and whether the answer is stored.

    The parameter `event` is the id of the answer of the person who looks at it.
    """
    own_event = Parameters(request, ("event",)).text("event")
    found = await _state(request)
    address = Address(found.run_id)
    answer = None
    if found.event_id is not None:
        where = None if found.seq is None else el("a", f"event {found.seq}", href=f"{address.page()}#{found.seq}")
        answer = facts(
            ("Answer", found.summary),
            ("By", found.answered_by),
            ("At", None if found.answered_at is None else time_element(found.answered_at)),
            ("Stored as", where),
        )
    waits = found.state == "sent"
    return HTMLResponse(
        page(
            f"Question of {found.run_id}",
            el("h1", _heading(found, own_event)),
            el("p", _explanation(found, own_event), role="status", class_="dim"),
            answer,
            el("p", status_badge(found.run_status), " ", el("a", found.run_id, href=address.page())),
            el("p", el("a", "Inbox", href="/inbox")),
            refresh_s=_REFRESH_S if waits else None,
        )
    )


def _heading(found: AnswerDocument, own_event: str | None) -> str:
    if _is_second(found, own_event):
        return "Another answer was stored first"
    return {"open": "Not answered", "sent": "Sent", "stored": "Answered", "closed": "Closed"}[found.state]


def _explanation(found: AnswerDocument, own_event: str | None) -> str:
    if _is_second(found, own_event):
        return "Your answer is an event of the run, too, but the question was closed by the one below."
    return {
        "open": "The question waits for an answer.",
        "sent": "The answer is in Kafka. This page shows when it is stored; a consumer must run.",
        "stored": "The answer is stored.",
        "closed": "The run has ended, or the answer is not found. The question waits for no answer.",
    }[found.state]


def _is_second(found: AnswerDocument, own_event: str | None) -> bool:
    return found.state == "stored" and own_event not in (None, found.event_id)


async def _state(request: Request) -> AnswerDocument:
    return await answers_of_viewer(request).state_of(path_part(request, "run"), path_part(request, "question"))
