"""The page with the questions that wait for an answer, those first whose run waits longest."""

from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from agent_runs.escaping import escape_line
from agent_runs.reader import QuestionLine, RunPage, RunSummary
from viewer.answer_form import answer_form
from viewer.api import reader_of
from viewer.html import Child, el, time_element
from viewer.layout import page
from viewer.live_list_api import questions_stream
from viewer.parameters import Address, Parameters, with_query
from viewer.texts import shown_question

PAGE_RUNS: Final = 20
MAX_OF_RUN: Final = 5  # questions of one run; its page has the others


async def inbox_page(request: Request) -> Response:
    """Return a page of the open questions."""
    cursor = Parameters(request, ("cursor",)).text("cursor")
    runs = await reader_of(request).waiting_runs(limit=PAGE_RUNS, cursor=cursor)
    newest = await reader_of(request).waiting_runs(limit=1, newest_first=True)
    first = [replace(run, open_questions=run.open_questions[:MAX_OF_RUN]) for run in runs.runs]
    questions = await reader_of(request).question_lines(first)
    return HTMLResponse(
        page(
            "Inbox",
            el("h1", "Inbox"),
            el("a", "", href="/inbox", id="new-items", data_noun="waiting run", role="status"),
            el(
                "div",
                _list(request, questions, is_first=cursor is None),
                data_live=questions_stream(newest.runs[0] if newest.runs else None, runs.runs),
            ),
            _more(runs.runs),
            _pages(runs, is_first=cursor is None),
            script="inbox",
        )
    )


def _list(request: Request, questions: Sequence[QuestionLine], *, is_first: bool) -> Element:
    if not questions and not is_first:
        return el("section", el("p", "No further question waits."), class_="empty")
    if not questions:
        return el(
            "section",
            el("p", "No agent waits for an answer."),
            el(
                "p",
                "When an agent calls ",
                el("code", "ask_human"),
                ", its question is shown here, with a box for the answer.",
            ),
            class_="empty",
        )
    return el("div", [_entry(request, question) for question in questions], class_="inbox")


def _more(runs: Sequence[RunSummary]) -> Element | None:
    """Return links to the runs that have more questions than are shown."""
    full = [run for run in runs if len(run.open_questions) > MAX_OF_RUN]
    links: list[Child] = [[" ", el("a", run.id, href=Address(run.id).page())] for run in full]
    return el("p", "More questions wait in", links, ".", class_="dim") if full else None


def _entry(request: Request, question: QuestionLine) -> Element:
    run, address = question.run, Address(question.run.id)
    seq = question.seq
    event = None if seq is None else el("a", f"event {seq}", href=f"{address.page()}#{seq}")
    session: Child = None
    if run.session_id is not None:
        session = [" in ", el("a", run.session_id, href=with_query("/", [("session", run.session_id)]))]
    return el(
        "article",
        el(
            "h2",
            el("a", run.agent, href=with_query("/", [("agent", run.agent)])),
            " asks in ",
            el("a", run.id, href=address.page(), title=escape_line(run.id)),
        ),
        shown_question(question.text, question.tool_name),
        el("p", [question.tool_name, ", asked ", time_element(question.asked_at), session, ", "], event, class_="dim"),
        answer_form(request, question),
        class_="question",
        tabindex="-1",
        data_run=run.id,
        data_question=question.id,
        data_api=address.api(Address.answer(question.id)),
    )


def _pages(runs: RunPage, *, is_first: bool) -> Element | None:
    if is_first and runs.cursor is None:
        return None
    oldest = None if is_first else el("a", "Oldest", href="/inbox", class_="button", rel="first")
    newer = None
    if runs.cursor is not None:
        newer = el("a", "Newer", href=with_query("/inbox", [("cursor", runs.cursor)]), class_="button", rel="next")
    return el("nav", oldest, newer, class_="pages", aria_label="Pages of the inbox")
