"""The page of a run: what it is, what it waits for, and its events, which the browser fetches as they are shown."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final
from xml.etree.ElementTree import Element

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from agent_runs.escaping import escape_line
from agent_runs.events import EVENT_CLASSES, RunFailed
from agent_runs.labels import REPLAY_OF
from agent_runs.reader import OpenQuestion, RunSource, RunSummary
from agent_runs.reader.event_text import count_text, event_text
from agent_runs.status import FINISHED, RunStatus
from agent_runs.times import duration_text
from viewer.answer_form import answer_form
from viewer.api import reader_of, summary_of
from viewer.html import Child, both_times, el, time_element
from viewer.layout import facts, page, status_badge
from viewer.origins import origin_link, read_replays, related_links, replays_section
from viewer.parameters import Address, Parameters, with_query
from viewer.run_tree import TREE_RUNS, run_tree
from viewer.texts import shown_question, shown_text

_QUESTIONS: Final = 10  # open questions that are shown; when one is answered, the next one is
_MAX_FAILURE: Final = 1000  # characters of the line that names the error
_GROUPS: Final = {
    "Failures": ("llm_failed", "tool_failed", "run_failed"),
    "Model calls": ("llm_called", "llm_failed"),
    "Tools": ("tool_requested", "tool_succeeded", "tool_failed"),
    "Missing events": ("events_dropped",),
}


async def run_page(request: Request) -> Response:
    """Return the page of a run."""
    parameters = Parameters(request, ("type", "q"))  # the script reads q
    types = parameters.all("type")
    run = await summary_of(request)
    return HTMLResponse(
        page(
            run.id,
            *await run_content(reader_of(request), run, types, partial(answer_form, request)),
            script="transcript",
        )
    )


async def run_content(
    source: RunSource, run: RunSummary, types: list[str], answer: Callable[[OpenQuestion], Element] | None = None
) -> list[Child]:
    """Return what the page of a run shows: everything but the events, which its script fetches.

    Args:
        source: reads the run.
        run: the run.
        types: the types of events that are chosen; empty for all.
        answer: returns the form that answers a question; None if the page cannot answer.
    """
    asked = replace(run, open_questions=run.open_questions[:_QUESTIONS])
    tree, questions, replays = await asyncio.gather(
        source.get_tree(run.id, limit=TREE_RUNS), source.questions_of([asked]), read_replays(source, run)
    )
    return [
        _heading(run),
        await _failure(source, run),
        _holes(run),
        [_question(question, answer and answer(question)) for question in questions],
        run_tree(tree, run),
        replays_section(run, replays),
        _transcript(run, types),
    ]


def _heading(run: RunSummary) -> Element:
    so_far = "" if run.status in FINISHED else " so far"
    labels = [el("span", f"{name}={value}", class_="label") for name, value in run.labels.items()]
    return el(
        "section",
        el(
            "div",
            el("h1", run.id, class_="id"),
            el("span", _badges(run), id="run-status", role="status"),
            related_links(run),
            class_="title",
        ),
        facts(
            ("Agent", el("a", run.agent, href=with_query("/", [("agent", run.agent)]))),
            ("Session", _session(run)),
            ("Replay of" if REPLAY_OF in run.labels else "Fork of", origin_link(run)),
            ("Created", both_times(run.created_at)),
            ("Last event", el("span", both_times(run.updated_at), id="run-updated")),
            ("Duration", f"{duration_text(run.updated_at - run.created_at)}{so_far}"),
            ("Events", el("span", f"{run.event_count:,}", id="run-events")),
            ("Labels", labels or None),
            # Last, and with a place for the text that comes later, which then moves nothing.
            ("Tokens", el("span", "…", id="run-usage", data_api=Address(run.id).api("/usage"))),
        ),
        class_="heading",
    )


def _badges(run: RunSummary) -> list[Element]:
    """The badges of all statuses, of which one is shown: a page that follows the run shows another one later."""
    return [
        el("span", status_badge(status), data_status=status.value, hidden=status is not run.status)
        for status in RunStatus
    ]


def _session(run: RunSummary) -> Child:
    if run.session_id is None:
        return None
    return el("a", run.session_id, href=with_query("/", [("session", run.session_id)]))


async def _failure(source: RunSource, run: RunSummary) -> Element | None:
    """Return why a run failed: the last line of the error, which names it, and the lines before it."""
    if run.status is not RunStatus.FAILED:
        return None
    [stored] = await source.last_events([(run, "run_failed")])
    if stored is None:
        return None
    text = stored.event.error.strip() if isinstance(stored.event, RunFailed) else event_text(stored.event)
    last = text.rpartition("\n")[2]
    link = el("a", f"event {stored.seq}", href=f"#{stored.seq}")
    whole = None
    if last != text or len(text) > _MAX_FAILURE:
        whole = el("details", el("summary", "The whole error"), shown_text(text))
    return el("section", el("p", last[:_MAX_FAILURE], " ", link), whole, class_="failure", aria_label="Failure")


def _holes(run: RunSummary) -> Element | None:
    if not run.dropped_events:
        return None
    missing = (
        f"{count_text(run.dropped_events, 'event')} of this run {'is' if run.dropped_events == 1 else 'are'} missing"
    )
    link = el("a", "Show where", href=with_query(Address(run.id).page(), [("type", "events_dropped")]))
    return el("p", f"{missing}: its producer dropped them. ", link, class_="hole")


def _question(question: OpenQuestion, form: Element | None) -> Element:
    seq = None if question.request is None else question.request.seq
    where = None if seq is None else el("a", f"event {seq}", href=f"#{seq}")
    return el(
        "section",
        el("h2", "Open question"),
        shown_question(question.text, question.tool_name),
        el("p", [question.tool_name, ", asked ", time_element(question.asked_at), ", "], where, class_="dim"),
        form,
        class_="question",
    )


def _transcript(run: RunSummary, types: list[str]) -> Element:
    address = Address(run.id)
    return el(
        "section",
        el(
            "div",
            el("h2", "Events"),
            _type_filter(types),
            _search(),
            _steps("Failures", "failure", hidden=bool(types)),
            None if types else el("button", "Fold tool calls", type="button", id="fold", aria_pressed="false"),
            el("a", "The status has changed: reload", href="", id="changed", hidden=True),
            el("span", "", id="live", role="status", class_="live"),
            class_="toolbar",
        ),
        el(
            "div",
            el(
                "noscript",
                el(
                    "p", "The list of events needs JavaScript. ", el("a", "Events as JSON", href=address.api("/events"))
                ),
            ),
            id="events",
            class_="events",
            role="list",
            aria_label="Events",
            tabindex="0",
            data_api=address.api(),
            data_page=address.page(),
            data_count=run.event_count,
        ),
        el("button", "", type="button", id="to-end", hidden=True),
        class_="transcript",
        aria_label="Events",
    )


def _search() -> Element:
    field = el("input", type="search", id="search", placeholder="Search payloads", aria_label="Search in this run")
    status = el("span", "", id="hits", role="status")
    return el("span", field, status, _step("hit", -1, hidden=True), _step("hit", 1, hidden=True), class_="search")


def _steps(label: str, what: str, *, hidden: bool) -> Element:
    status = el("span", "", id="failures", role="status")
    buttons = _step(what, -1, hidden=False), _step(what, 1, hidden=False)
    return el("span", el("span", label, class_="dim"), buttons, status, class_="steps", hidden=hidden)


def _step(what: str, step: int, *, hidden: bool) -> Element:
    """A button that goes to the next hit or failure, or to the one before."""
    label = f"Next {what}" if step > 0 else f"Previous {what}"
    arrow = "↓" if step > 0 else "↑"
    return el("button", arrow, type="button", title=label, aria_label=label, hidden=hidden, **{f"data_{what}": step})


def _type_filter(types: list[str]) -> Element:
    chosen = " ".join(types)
    groups = [_option(name, " ".join(members), chosen) for name, members in _GROUPS.items()]
    single = [_option(name, name, chosen) for name in EVENT_CLASSES]
    known = {" ".join(members) for members in _GROUPS.values()} | set(EVENT_CLASSES)
    other = [_option(escape_line(", ".join(types)), chosen, chosen)] if types and chosen not in known else None
    return el(
        "label",
        el("span", "Type", class_="hidden"),
        el(
            "select",
            _option("All events", "", chosen),
            other,
            groups,
            el("optgroup", single, label="One type"),
            id="types",
        ),
    )


def _option(label: str, value: str, chosen: str) -> Element:
    return el("option", label, value=value, selected=value == chosen)
