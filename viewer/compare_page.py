"""Compares two runs: their events side by side, aligned by what was asked, with the differences by path."""

import asyncio
from collections.abc import Sequence
from itertools import groupby
from typing import Final
from xml.etree.ElementTree import Element

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from agent_runs.reader import Pair, Reader, RunSummary, StoredEvent, compare_runs
from agent_runs.reader.event_text import count_text, event_text
from agent_runs.times import duration_text
from viewer.api import reader_of
from viewer.errors import Failure
from viewer.html import Child, el
from viewer.layout import page, status_badge
from viewer.parameters import Address, Parameters, with_query
from viewer.texts import shown_change

# Runs with more are compared by `agent-runs diff`, which has a process of its own.
_MAX_EVENTS: Final = 5000  # of one run
_MAX_BYTES: Final = 16 * 1024 * 1024  # of the payloads of one run
_MAX_PAIRS: Final = 300
_MAX_CHANGES: Final = 20  # of one pair
_MAX_SUMMARY: Final = 300  # characters


async def compare_page(request: Request) -> Response:
    """Return the page that compares two runs, or asks which."""
    parameters = Parameters(request, ("a", "b"))
    ids = [parameters.text("a"), parameters.text("b")]
    content: list[Child] = [el("section", el("div", el("h1", "Compare two runs"), class_="title"), class_="heading")]
    content.append(_form(*ids))
    if ids[0] is not None and ids[1] is not None:
        reader = reader_of(request)
        async with request.app.state.comparisons:
            runs = [await _run(reader, run_id) for run_id in ids if run_id is not None]
            events = [await _events(reader, run) for run in runs]
            pairs = await asyncio.to_thread(compare_runs, *events)
        content += [_sides(runs), _counts(pairs), _pairs(pairs, runs)]
    return HTMLResponse(page("Compare", *content, script="compare"))


async def _run(reader: Reader, run_id: str) -> RunSummary:
    run = await reader.get_summary(run_id)
    if run is None:
        raise Failure(404, f"There is no run {run_id!r}.")
    if run.event_count > _MAX_EVENTS:
        raise _too_big(run, f"{run.event_count:,} events")
    return run


async def _events(reader: Reader, run: RunSummary) -> list[StoredEvent]:
    events: list[StoredEvent] = []
    size = 0
    async for found in reader.get_run_events(run.id, until=run.event_count - 1).pages:
        size += sum(len(each.event.original or b"") for each in found)
        if size > _MAX_BYTES:
            raise _too_big(run, f"more than {_MAX_BYTES // 1024 // 1024} MiB of payloads")
        events += found
    return events


def _too_big(run: RunSummary, size: str) -> Failure:
    return Failure(413, f"The run {run.id!r} has {size}, too many for this page: use the command `agent-runs diff`.")


def _form(first: str | None, second: str | None) -> Element:
    fields = []
    for name, label, value in (("a", "First run", first), ("b", "Second run", second)):
        field = el("input", name=name, value=value or "", spellcheck="false", autocomplete="off", required=True)
        fields.append(el("label", el("span", label), field))
    swap = with_query("/compare", [("a", second), ("b", first)]) if first and second else None
    return el(
        "form",
        fields,
        el("button", "Compare", type="submit"),
        el("a", "Swap", href=swap, class_="button plain") if swap else None,
        method="get",
        action="/compare",
        class_="filter compare",
        aria_label="The runs to compare",
    )


def _sides(runs: Sequence[RunSummary]) -> Element:
    sides = []
    for mark, style, run in zip("−+", ("removed", "added"), runs, strict=True):
        took = duration_text(run.updated_at - run.created_at)
        facts: list[Child] = [status_badge(run.status), run.agent, count_text(run.event_count, "event"), took]
        head = el("h2", el("span", mark, class_="mark"), el("a", run.id, href=Address(run.id).page()))
        sides.append(
            el("div", head, el("p", [el("span", fact) for fact in facts], class_="dim"), class_=f"side {style}")
        )
    return el("section", sides, class_="sides", aria_label="The runs")


def _counts(pairs: Sequence[Pair]) -> Element:
    equal = sum(pair.is_equal for pair in pairs)
    removed = sum(pair.after is None for pair in pairs)
    added = sum(pair.before is None for pair in pairs)
    changed = len(pairs) - equal - removed - added
    if changed + removed + added == 0:
        text = f"No differences: {count_text(equal, 'event')} in both. Ids, times and durations are not compared."
    else:
        text = (
            f"{count_text(equal, 'event')} equal, {changed:,} different, {removed:,} only in the first run, "
            f"{added:,} only in the second. Ids, times and durations are not compared."
        )
    return el("p", text, class_="counts", role="status")


def _pairs(pairs: Sequence[Pair], runs: Sequence[RunSummary]) -> Element:
    items: list[Child] = []
    left = _MAX_PAIRS
    for is_equal, group in groupby(pairs, key=lambda pair: pair.is_equal):
        found = list(group)
        if is_equal:
            items.append(_equal(found))
            continue
        items += [_pair(pair, runs) for pair in found[:left]]
        left -= len(found[:left])
        if left == 0:
            items.append(el("p", "Further differences are not shown: use the command `agent-runs diff`.", class_="dim"))
            break
    return el("section", items, class_="pairs", aria_label="Events side by side")


def _equal(pairs: Sequence[Pair]) -> Element:
    first = pairs[0].before
    where = f", from event {first.seq} on" if first is not None else ""
    return el("p", f"{count_text(len(pairs), 'event')} equal{where}", class_="equal dim")


def _pair(pair: Pair, runs: Sequence[RunSummary]) -> Element:
    shown = pair.after or pair.before
    text = "" if shown is None else event_text(shown.event)[:_MAX_SUMMARY]
    links = [
        el("a", f"{mark} {stored.seq}", href=Address(run.id).page(f"#{stored.seq}"), class_="seq")
        for mark, stored, run in zip("−+", (pair.before, pair.after), runs, strict=True)
        if stored is not None
    ]
    style = "changed" if len(links) == 2 else "added" if pair.before is None else "removed"
    head = el("p", links, el("span", shown.type if shown else "", class_="type"), el("span", text), class_="line")
    changes = [change for change in pair.changes if change.path[:1] != ["usage"]]
    more = len(changes) - _MAX_CHANGES
    return el(
        "article",
        head,
        _usage(pair),
        [shown_change(change) for change in changes[:_MAX_CHANGES]],
        el("p", f"{more:,} more differences", class_="dim") if more > 0 else None,
        class_=f"pair {style}",
    )


def _usage(pair: Pair) -> Element | None:
    """Return the differences of the usage on one line: a prompt that differs has another number of tokens, too."""
    changes = [change for change in pair.changes if change.path[:1] == ["usage"]]
    texts = [
        f"{'.'.join(map(str, change.path))} {change.before} → {change.after}"
        for change in changes[:_MAX_CHANGES]
        if change.kind == "changed" and isinstance(change.before, int | float) and isinstance(change.after, int | float)
    ]
    others = [shown_change(change) for change in changes[:_MAX_CHANGES] if not isinstance(change.after, int | float)]
    return el("div", el("p", ", ".join(texts), class_="dim") if texts else None, others) if changes else None
