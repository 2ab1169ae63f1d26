"""The page with the list of runs. Its filter and its place are in the address."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final
from xml.etree.ElementTree import Element

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from agent_runs.escaping import escape_line
from agent_runs.reader import RunPage, RunSummary, StatusCount
from agent_runs.reader.run_notes import run_notes
from agent_runs.status import RunStatus
from agent_runs.times import duration_text
from viewer.api import reader_of
from viewer.errors import Failure
from viewer.html import Child, both_times, el
from viewer.layout import page, status_badge
from viewer.live_list_api import runs_stream
from viewer.parameters import FILTER_PARAMETERS, TRUE, Address, Parameters, run_filter, with_query

PAGE_RUNS: Final = 50
_MAX_NOTE: Final = 300
_FIRST_FIELDS: Final = 3  # the others, and the switches, are shown on request
# The fields of the form: the parameter, its label, and an example.
_FIELDS: Final = (
    ("agent", "Agent", "scheduler"),
    ("session", "Session", "session-1"),
    ("label", "Label", "env=test"),
    ("created_from", "Created from", "2026-01-31"),
    ("created_before", "Created before", "2026-02-01"),
    ("stale_for", "Silent for", "15m"),
)
_FIRST_RUN: Final = """\
python - <<END
from agent_runs import Emitter

with Emitter().start_run(agent_id="scheduler") as run:
    run.input("message_from_user", {"text": "Hello"})
END"""
# The list has the children too unless one chooses: a child may be what failed, or what waits for an answer.
_TOP_LEVEL: Final = ("top_level", "Top-level runs only")
_SWITCHES: Final = (("has_open_questions", "Open questions"), ("has_dropped_events", "Missing events"))


async def runs_page(request: Request) -> Response:
    """Return a page of the runs that meet the conditions of the parameters."""
    parameters = Parameters(request, (*FILTER_PARAMETERS, "cursor"))
    filters = [(name, text) for name in FILTER_PARAMETERS for text in parameters.all(name)]
    try:
        wanted = run_filter(parameters)
    except Failure as failure:
        return HTMLResponse(_refused(filters, failure.sentence), failure.status)
    cursor = parameters.text("cursor")
    reader = reader_of(request)
    runs, counts = await asyncio.gather(
        reader.list_runs(wanted, limit=PAGE_RUNS, cursor=cursor),
        reader.count_by_status(),
    )
    newest = runs if cursor is None else await reader.list_runs(wanted, limit=1)
    notes = await run_notes(reader, runs.runs)
    return HTMLResponse(
        page(
            "Runs",
            el("h1", "Runs", class_="hidden"),
            _statuses(counts, filters),
            el("a", "", href=with_query("/", filters), id="new-items", data_noun="run", role="status"),
            _form(filters),
            el(
                "div",
                _table(runs.runs, notes, has_filter=bool(filters)),
                data_live=runs_stream(filters, newest.runs[0] if newest.runs else None, runs.runs),
            ),
            _pages(runs, filters, is_first=cursor is None),
            script="runs",
        )
    )


def _refused(filters: Sequence[tuple[str, str]], sentence: str) -> bytes:
    """Return the page for a filter that is not valid: what is wrong, and the form with what was typed."""
    name, colon, rest = sentence.partition(": ")
    label = next((label for field, label, _ in _FIELDS if field == name), name)
    problem = el("p", label + colon + rest, class_="failure", role="alert")
    return page("Runs", el("h1", "Runs", class_="hidden"), _form(filters), problem, script="runs")


def _statuses(counts: Mapping[RunStatus, StatusCount], filters: Sequence[tuple[str, str]]) -> Element:
    others = [(name, text) for name, text in filters if name != "status"]
    current = dict(filters).get("status")
    links: list[Child] = [_tab("All", with_query("/", others), is_current=current is None)]
    for status in RunStatus:
        count = counts.get(status)
        number = "" if count is None else f"{'~' if count.is_estimate else ''}{count.count:,}"
        label: Child = [status_badge(status), el("span", number, class_="count")]
        links.append(
            _tab(label, with_query("/", [*others, ("status", status.value)]), is_current=current == status.value)
        )
    return el("nav", links, class_="tabs", aria_label="Status")


def _tab(label: Child, href: str, *, is_current: bool) -> Element:
    return el("a", label, href=href, aria_current="page" if is_current else None)


def _form(filters: Sequence[tuple[str, str]]) -> Element:
    values = dict(filters)
    shown = {*(name for name, *_ in _FIELDS), *(name for name, _ in (_TOP_LEVEL, *_SWITCHES))}
    # What the form does not show, such as the status or a second label, stays part of the filter.
    hidden = [(name, text) for name, text in filters if name not in shown]
    hidden += [(name, text) for name, text in filters if name == "label"][:-1]
    clear = el("a", "Clear", href="/", class_="button plain") if filters else None
    fields = [_field(name, label, example, values.get(name, "")) for name, label, example in _FIELDS]
    top_level, *switches = [
        _switch(name, label, is_on=values.get(name) in TRUE) for name, label in (_TOP_LEVEL, *_SWITCHES)
    ]
    names = [name for name, *_ in (*_FIELDS[_FIRST_FIELDS:], *_SWITCHES)]
    return el(
        "form",
        fields[:_FIRST_FIELDS],
        top_level,
        el(
            "details",
            el("summary", "More filters"),
            el("div", fields[_FIRST_FIELDS:], switches),
            open=any(name in values for name in names),
        ),
        [el("input", type="hidden", name=name, value=text) for name, text in hidden],
        el("span", el("button", "Filter", type="submit"), clear, class_="actions"),
        method="get",
        action="/",
        role="search",
        aria_label="Filter",
        class_="filter",
    )


def _field(name: str, label: str, example: str, value: str) -> Element:
    field = el("input", name=name, value=value, placeholder=example, spellcheck="false", autocomplete="off")
    return el("label", el("span", label), field)


def _switch(name: str, label: str, *, is_on: bool) -> Element:
    box = el("input", type="checkbox", name=name, value="1", checked=is_on)
    return el("label", box, el("span", label), class_="switch")


def _table(runs: Sequence[RunSummary], notes: Sequence[str], *, has_filter: bool) -> Element:
    if not runs:
        return _no_runs(has_filter=has_filter)
    head = el("tr", [el("th", name, scope="col", class_=style) for name, style in _COLUMNS])
    rows = [_row(run, note) for run, note in zip(runs, notes, strict=True)]
    return el("div", el("table", el("thead", head), el("tbody", rows), class_="runs", data_rows=True), class_="wide")


def _no_runs(*, has_filter: bool) -> Element:
    if has_filter:
        clear = el("a", "Show all runs", href="/", class_="button")
        return el("section", el("p", "No run matches this filter."), el("p", clear), class_="empty")
    return el(
        "section",
        el("h2", "No runs are stored yet"),
        el("p", "An agent publishes a run to Kafka, and a consumer stores it. Start a consumer:"),
        el("pre", "agent-runs-consumer run", class_="command"),
        el("p", "In another terminal, publish a run:"),
        el("pre", _FIRST_RUN, class_="command"),
        el(
            "p",
            "It is shown here when it is stored. ",
            el("a", "Operations", href="/operations"),
            " shows the progress.",
        ),
        class_="empty first",
    )


_COLUMNS: Final = (
    ("Status", "c-status"),
    ("Run", "c-run"),
    ("Agent", "c-agent"),
    ("Session", "c-session"),
    ("Note", "c-note"),
    ("Events", "c-events number"),
    ("Took", "c-took number"),
    ("Created", "c-created number"),
)


def _row(run: RunSummary, note: str) -> Element:
    took = duration_text(run.updated_at - run.created_at)
    session = el("a", run.session_id, href=with_query("/", [("session", run.session_id)])) if run.session_id else None
    cells: tuple[Child, ...] = (
        status_badge(run.status),
        [_child_mark(run), el("a", run.id, href=Address(run.id).page(), class_="row-link", title=escape_line(run.id))],
        el("a", run.agent, href=with_query("/", [("agent", run.agent)]), title=escape_line(run.agent)),
        session,
        note if len(note) <= _MAX_NOTE else f"{note[:_MAX_NOTE]}…",
        [f"{run.event_count:,}", el("span", " event" if run.event_count == 1 else " events", class_="unit")],
        took,
        both_times(run.created_at),
    )
    columns = zip(_COLUMNS, cells, strict=True)
    return el(
        "tr", [el("td", cell, class_=style) for (_, style), cell in columns], class_=run.status.value, data_run=run.id
    )


def _child_mark(run: RunSummary) -> Element | None:
    if run.parent_run_id is None:
        return None
    return el("span", "↳ ", class_="dim", title=f"Child of {escape_line(run.parent_run_id)}")


def _pages(runs: RunPage, filters: Sequence[tuple[str, str]], *, is_first: bool) -> Element | None:
    if is_first and runs.cursor is None:
        return None
    newest = None if is_first else el("a", "Newest", href=with_query("/", filters), class_="button", rel="first")
    older = None
    if runs.cursor is not None:
        older = el("a", "Older", href=with_query("/", [*filters, ("cursor", runs.cursor)]), class_="button", rel="next")
    return el("nav", newest, older, class_="pages", aria_label="Pages of the list")
