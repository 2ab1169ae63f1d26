"""Draws a timeline: the axis, the steps of each run as bars in lanes, and the longest steps as a table."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from xml.etree.ElementTree import Element

from agent_runs.escaping import escape_line
from agent_runs.reader import RunSummary, Step, Timeline, TreeNode
from agent_runs.reader.event_text import count_text
from agent_runs.times import duration_text, time_text
from viewer.axis import Part
from viewer.bars import Bar, Span, lay_out
from viewer.html import Child, el
from viewer.layout import status_badge
from viewer.parameters import Address, with_query

_ROWS: Final = 200  # of the table
_LANE: Final = 20  # pixels
_LABELLED: Final = 1  # per cent of the width; the script cuts the labels of bars that are too short
_OPEN_ROWS: Final = 20  # a longer table is closed at first
_AXIS: Final = 22  # pixels


def span_link(label: Child, path: str, span: Span, **attributes: str) -> Element:
    """Return a link to the page of a timeline at `path` that shows this span."""
    pairs = [(name, str(milliseconds(at))) for name, at in (("from", span.begin), ("to", span.end))]
    return el("a", label, href=with_query(path, pairs), class_="button", **attributes)


def milliseconds(at: datetime) -> int:
    """Return a time as an address has it."""
    return max(0, round(at.timestamp() * 1000))


def legend() -> list[Element]:
    """Return what the colours of the bars stand for."""
    kinds = (("llm", "model"), ("tool", "tool"), ("bad", "failed"), ("open", "not answered"))
    return [el("span", name, class_=f"legend {style}") for style, name in kinds]


def axis(parts: Sequence[Part], path: str | None) -> Element:
    """Return the time axis.

    Args:
        parts: its parts.
        path: the page to which each part links, which then shows this part only; None: no part is a link.
    """
    columns = []
    for part in parts:
        box = el(
            "svg",
            el("rect", width="100%", height=_AXIS),
            el("text", part.label, x=4, y=14),
            x=f"{part.left:.3f}%",
            width=f"{part.width:.3f}%",
            height=_AXIS,
        )
        if path is None:
            column = el("g", box)
        else:
            column = span_link([el("title", f"From {part.label}: show this part only"), box], path, part.span)
        column.set("class", "column")
        columns.append(column)
    drawing = el("svg", _grid(parts), columns, width="100%", height=_AXIS)
    tag = "div" if path is None else "nav"
    return el(tag, el("span", "Run"), drawing, class_="axis", aria_label=path and "Parts of the span")


def _grid(parts: Sequence[Part]) -> list[Element]:
    places = [f"{part.left:.3f}%" for part in parts if part.label]
    return [el("line", x1=place, x2=place, y1=0, y2="100%", class_="grid") for place in places]


def _offset(at: datetime, whole: Span) -> str:
    """The time since the begin of the run."""
    return f"+{duration_text(at - whole.begin)}"


def lanes(node: TreeNode, timeline: Timeline, span: Span, whole: Span, parts: Sequence[Part]) -> Element:
    """Return the steps of a run as bars, those that overlap in lanes.

    Args:
        node: the run, and its depth in the tree.
        timeline: the steps of all runs.
        span: what is shown.
        whole: all runs; times count from its begin.
        parts: of the axis.
    """
    run = node.run
    bars = lay_out([step for step in timeline.steps if step.run_id == run.id], span)
    count = 1 + max((bar.lane for bar in bars), default=0)
    name = el("a", run.id, href=Address(run.id).page(), title=escape_line(run.id))
    drawing = el(
        "svg",
        _grid(parts),
        [_bar(bar, whole) for bar in bars],
        width="100%",
        height=count * _LANE,
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


def steps_table(timeline: Timeline, runs: Sequence[RunSummary], whole: Span) -> Element:
    """Return the longest steps of these runs as a table."""
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
