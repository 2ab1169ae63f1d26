"""The timeline of a run: calls of models and tools as bars over time, parallel ones in lanes, with the runs below."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from xml.etree.ElementTree import Element

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from agent_runs.escaping import escape_line
from agent_runs.reader import RunSummary, RunTree, Step, Timeline, TreeNode
from agent_runs.reader.event_text import count_text
from agent_runs.times import duration_text, time_text
from viewer.api import reader_of, summary_of
from viewer.axis import Part, parts_of
from viewer.bars import LAST, Bar, Span, lay_out
from viewer.errors import Failure
from viewer.html import Child, el
from viewer.layout import page, status_badge
from viewer.parameters import Address, Parameters, with_query

_MAX_STEPS: Final = 1000
_MAX_RUNS: Final = 50  # of the tree
_MAX_EVENTS: Final = 300_000  # of the run and the runs below it, whose structure is read
_ROWS: Final = 200  # of the table
_LANE: Final = 20  # pixels
_LABELLED: Final = 1  # per cent of the width; the script cuts the labels of bars that are too short
_OPEN_ROWS: Final = 20  # a longer table is closed at first
_AXIS: Final = 22  # pixels


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
    lanes = [_lanes(node, timeline, span, whole, parts) for node in nodes]
    return HTMLResponse(
        page(
            f"Timeline of {run.id}",
            _heading(run),
            _notes(timeline, len(runs), are_all=are_all),
            _zoom(Address(run.id).page("/timeline"), span, whole),
            el("section", _axis(run, parts), lanes, class_="timeline"),
            _table(timeline, runs, whole),
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
    milliseconds = parameters.number(name, -1, 0, _milliseconds(LAST)) if parameters.text(name) else None
    return default if milliseconds is None else datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)


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
    links: list[Child] = [_span_link("Zoom in", path, span.part(0.25, 0.75), data_zoom="in")]
    if span != whole:
        links += [
            _span_link("Zoom out", path, _inside(span.part(-0.5, 1.5), whole), data_zoom="out"),
            _span_link("Earlier", path, span.part(-0.5, 0.5), rel="prev"),
            _span_link("Later", path, span.part(0.5, 1.5), rel="next"),
            el("a", "Whole run", href=path, class_="button"),
        ]
    length = duration_text(span.length)
    kinds = (("llm", "model"), ("tool", "tool"), ("bad", "failed"), ("open", "not answered"))
    legend = [el("span", name, class_=f"legend {style}") for style, name in kinds]
    shown = el("span", f"{length} shown", class_="dim")
    return el("nav", links, shown, legend, class_="zoom", aria_label="Span of time")


def _inside(span: Span, whole: Span) -> Span:
    return Span(max(span.begin, whole.begin), min(span.end, whole.end))


def _span_link(label: Child, path: str, span: Span, **attributes: str) -> Element:
    pairs = [(name, str(_milliseconds(at))) for name, at in (("from", span.begin), ("to", span.end))]
    return el("a", label, href=with_query(path, pairs), class_="button", **attributes)


def _milliseconds(at: datetime) -> int:
    return max(0, round(at.timestamp() * 1000))


def _axis(run: RunSummary, parts: Sequence[Part]) -> Element:
    """The time axis; each part of it is a link that shows this part only."""
    path = Address(run.id).page("/timeline")
    links = []
    for part in parts:
        box = el(
            "svg",
            el("rect", width="100%", height=_AXIS),
            el("text", part.label, x=4, y=14),
            x=f"{part.left:.3f}%",
            width=f"{part.width:.3f}%",
            height=_AXIS,
        )
        link = _span_link([el("title", f"From {part.label}: show this part only"), box], path, part.span)
        link.set("class", "column")
        links.append(link)
    drawing = el("svg", _grid(parts), links, width="100%", height=_AXIS)
    return el("nav", el("span", "Run"), drawing, class_="axis", aria_label="Parts of the span")


def _grid(parts: Sequence[Part]) -> list[Element]:
    places = [f"{part.left:.3f}%" for part in parts if part.label]
    return [el("line", x1=place, x2=place, y1=0, y2="100%", class_="grid") for place in places]


def _offset(at: datetime, whole: Span) -> str:
    """The time since the begin of the run."""
    return f"+{duration_text(at - whole.begin)}"


def _lanes(node: TreeNode, timeline: Timeline, span: Span, whole: Span, parts: Sequence[Part]) -> Element:
    run = node.run
    bars = lay_out([step for step in timeline.steps if step.run_id == run.id], span)
    lanes = 1 + max((bar.lane for bar in bars), default=0)
    name = el("a", run.id, href=Address(run.id).page(), title=escape_line(run.id))
    drawing = el(
        "svg",
        _grid(parts),
        [_bar(bar, whole) for bar in bars],
        width="100%",
        height=lanes * _LANE,
        role="group",
        aria_label=escape_line(f"Steps of {run.id}"),
    )
    heading = el("h2", status_badge(run.status), name, " ", el("span", run.agent, class_="dim"))
    heading.set("class", f"depth-{min(node.depth, 8)}")
    return el("div", heading, drawing, class_="lanes")


def _bar(bar: Bar, whole: Span) -> Element:
    step = bar.step
    # Escaped here: an element of HTML, such as the `<span>` of an escape, would end the drawing.
    text = escape_line(f"{_name(step)}, {_length(step)}, {_offset(step.began_at, whole)}")
    style = "llm" if step.type.startswith("llm") else "tool"
    state = " bad" if step.type.endswith("_failed") else " open" if step.ended_at is None else ""
    box = el(
        "svg",
        el("rect", width="100%", height=_LANE - 4, rx=3),
        el("text", escape_line(step.name or ""), x=4, y=12) if bar.width > _LABELLED else None,
        x=f"{bar.left:.3f}%",
        y=bar.lane * _LANE + 2,
        width=f"{max(bar.width, 0.15):.3f}%",
        height=_LANE - 4,
    )
    href = Address(step.run_id).page(f"#{step.seq}")
    return el("a", el("title", text), box, href=href, class_=f"step {style}{state}", aria_label=text)


def _name(step: Step) -> str:
    kind = "model" if step.type.startswith("llm") else "tool"
    return f"{kind} {step.name}" if step.name else f"{kind} call"


def _length(step: Step) -> str:
    if step.ended_at is None:
        return "not answered"
    failed = " until it failed" if step.type.endswith("_failed") else ""
    return duration_text(step.ended_at - step.began_at) + failed


def _table(timeline: Timeline, runs: Sequence[RunSummary], whole: Span) -> Element:
    names = ("Step", "Took", "Began", "Event", *(["Run"] if len(runs) > 1 else []))
    head = [el("th", name, scope="col", class_=_style(name)) for name in names]
    rows = []
    for step in timeline.steps[:_ROWS]:
        event = el("a", str(step.seq), href=Address(step.run_id).page(f"#{step.seq}"))
        began = el("span", _offset(step.began_at, whole), title=time_text(step.began_at))
        cells = (_name(step), _length(step), began, event, step.run_id)
        rows.append(el("tr", [el("td", cell, class_=_style(name)) for name, cell in zip(names, cells, strict=False)]))
    title = f"The {count_text(len(rows), 'longest step')} as a table"
    table = el("table", el("thead", el("tr", head)), el("tbody", rows))
    is_open = len(rows) <= _OPEN_ROWS
    return el("details", el("summary", title), el("div", table, class_="wide"), class_="steps-table", open=is_open)


def _style(column: str) -> str | None:
    return "number" if column in ("Took", "Began", "Event") else None
