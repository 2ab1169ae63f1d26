"""The timeline of a run: calls of models and tools as bars over time, parallel ones in lanes, with the runs below."""

from datetime import UTC, datetime, timedelta
from typing import Final
from xml.etree.ElementTree import Element

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from agent_runs.reader import RunSummary, RunTree, Timeline, TreeNode
from agent_runs.reader.event_text import count_text
from agent_runs.times import duration_text
from viewer.api import reader_of, summary_of
from viewer.axis import parts_of
from viewer.bars import LAST, Span
from viewer.errors import Failure
from viewer.html import Child, el
from viewer.layout import page, status_badge
from viewer.parameters import Address, Parameters
from viewer.timeline_drawing import axis, lanes, legend, milliseconds, span_link, steps_table

_MAX_STEPS: Final = 1000
_MAX_RUNS: Final = 50  # of the tree
_MAX_EVENTS: Final = 300_000  # of the run and the runs below it, whose structure is read


async def timeline_page(request: Request) -> Response:
    """Return the page of the timeline of a run."""
    parameters = Parameters(request, ("from", "to"))
    run = await summary_of(request)
    reader = reader_of(request)
    tree = await reader.get_tree(run.id, limit=_MAX_RUNS)
    nodes, are_all = _shown_runs(tree, run)
    runs = [node.run for node in nodes]
    whole = Span(min(each.created_at for each in runs), max(each.updated_at for each in runs))
    whole = Span(whole.begin, whole.begin + whole.length)  # not empty
    span = Span(_time(parameters, "from", whole.begin), _time(parameters, "to", whole.end))
    if span.end <= span.begin:
        raise Failure(400, "to: must be later than from.")
    async with request.app.state.scans:
        timeline = await reader.timeline([each.id for each in runs], begin=span.begin, end=span.end, limit=_MAX_STEPS)
    parts = parts_of(span, whole)
    path = Address(run.id).page("/timeline")
    rows = [lanes(node, timeline, span, whole, parts) for node in nodes]
    return HTMLResponse(
        page(
            f"Timeline of {run.id}",
            _heading(run),
            _notes(timeline, len(runs), are_all=are_all),
            _zoom(path, span, whole),
            el("section", axis(parts, path), rows, class_="timeline"),
            steps_table(timeline, runs, whole),
            script="timeline",
        )
    )


def _shown_runs(tree: RunTree | None, run: RunSummary) -> tuple[list[TreeNode], bool]:
    """Return the run and those below it, as far as the limits allow, and whether these are all."""
    nodes = [TreeNode(depth=0, run=run)] if tree is None else tree.nodes
    shown: list[TreeNode] = []
    events = 0
    for node in nodes:
        events += node.run.event_count
        if shown and events > _MAX_EVENTS:
            return shown, False
        shown.append(node)
    return shown, tree is None or tree.is_complete


def _time(parameters: Parameters, name: str, default: datetime) -> datetime:
    value = parameters.number(name, -1, 0, milliseconds(LAST)) if parameters.text(name) else None
    return default if value is None else datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=value)


def _heading(run: RunSummary) -> Element:
    address = Address(run.id)
    return el(
        "section",
        el("nav", el("a", run.id, href=address.page()), aria_label="Run", class_="crumb"),
        el("div", el("h1", "Timeline"), status_badge(run.status), class_="title"),
        class_="heading",
    )


def _notes(timeline: Timeline, runs: int, *, are_all: bool) -> list[Child]:
    notes = []
    if timeline.total > len(timeline.steps):
        notes.append(
            f"{timeline.total:,} steps are in this span, of which the {len(timeline.steps):,} longest are shown: "
            "zoom in for the others."
        )
    if not are_all:
        notes.append(f"Of the tree, the first {count_text(runs, 'run')} are shown.")
    if not timeline.steps:
        notes.append("In this span, no model and no tool was called.")
    return [el("p", note, class_="dim") for note in notes]


def _zoom(path: str, span: Span, whole: Span) -> Element:
    """Links to other spans; `+`, `-`, `n` and `p` are their keys."""
    links: list[Child] = [span_link("Zoom in", path, span.part(0.25, 0.75), data_zoom="in")]
    if span != whole:
        links += [
            span_link("Zoom out", path, _inside(span.part(-0.5, 1.5), whole), data_zoom="out"),
            span_link("Earlier", path, span.part(-0.5, 0.5), rel="prev"),
            span_link("Later", path, span.part(0.5, 1.5), rel="next"),
            el("a", "Whole run", href=path, class_="button"),
        ]
    length = duration_text(span.length)
    shown = el("span", f"{length} shown", class_="dim")
    return el("nav", links, shown, legend(), class_="zoom", aria_label="Span of time")


def _inside(span: Span, whole: Span) -> Span:
    return Span(max(span.begin, whole.begin), min(span.end, whole.end))
