"""What leads from a run to its timeline, to the run that it replays or forks, and to its own replays and forks."""

import asyncio
from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element

from agent_runs.labels import FORKED_FROM, REPLAY_OF
from agent_runs.reader import RunFilter, RunSource, RunSummary
from viewer.html import el, time_element
from viewer.layout import status_badge
from viewer.parameters import Address, with_query

_MAX_REPLAYS: Final = 20


def origin_of(run: RunSummary) -> str | None:
    """Return the id of the run that this one replays or forks; None if it is neither."""
    return run.labels.get(REPLAY_OF) or run.labels.get(FORKED_FROM)


def origin_link(run: RunSummary) -> Element | None:
    """Return a link to the run that this one replays or forks."""
    origin = origin_of(run)
    return None if origin is None else el("a", origin, href=Address(origin).page())


def related_links(run: RunSummary) -> Element:
    """Return links to the timeline, and to the comparison with the origin; without one, with a run that is typed in."""
    origin = origin_of(run)
    pairs = [("a", origin), ("b", run.id)] if origin is not None else [("a", run.id)]
    label = "Compare" if origin is None else "Compare with the original"
    return el(
        "nav",
        el("a", "Timeline", href=Address(run.id).page("/timeline"), class_="button"),
        el("a", label, href=with_query("/compare", pairs), class_="button"),
        el("a", "JSON", href=Address(run.id).api(), class_="button"),
        aria_label="Views of this run",
    )


async def read_replays(source: RunSource, run: RunSummary) -> list[RunSummary]:
    """Return the newest runs that replay or fork this one, by their labels."""
    pages = await asyncio.gather(
        *(source.list_runs(RunFilter(labels={name: run.id}), limit=_MAX_REPLAYS) for name in (REPLAY_OF, FORKED_FROM))
    )
    found = {each.id: each for page in pages for each in page.runs}
    return sorted(found.values(), key=lambda each: (each.created_at, each.id), reverse=True)[:_MAX_REPLAYS]


def replays_section(run: RunSummary, replays: Sequence[RunSummary]) -> Element | None:
    """Return the list of the replays and forks of a run, each with a link to the comparison."""
    if not replays:
        return None
    items = [_replay(run, each) for each in replays]
    title = "1 replay or fork" if len(items) == 1 else f"{len(items)} replays and forks"
    return el("details", el("summary", title), el("ul", items), class_="tree", open=len(items) <= 6)


def _replay(run: RunSummary, replay: RunSummary) -> Element:
    return el(
        "li",
        status_badge(replay.status),
        el("a", replay.id, href=Address(replay.id).page()),
        time_element(replay.created_at),
        el("a", "Compare", href=with_query("/compare", [("a", run.id), ("b", replay.id)])),
    )
