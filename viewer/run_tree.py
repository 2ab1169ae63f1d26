"""Shows a run among its parents and children: their statuses, agents and durations."""

from collections import Counter
from typing import Final
from xml.etree.ElementTree import Element

from agent_runs.reader import RunSummary, RunTree
from agent_runs.reader.event_text import count_text
from agent_runs.status import RunStatus
from agent_runs.times import duration_text
from viewer.html import el
from viewer.layout import status_badge
from viewer.parameters import Address

TREE_RUNS: Final = 100  # runs of a tree that are shown
_OPEN_RUNS: Final = 12  # a larger tree is closed at first
_DEPTHS: Final = 8  # deeper runs are indented as those of this depth


def run_tree(tree: RunTree | None, run: RunSummary) -> Element | None:
    """Return the tree of a run as a list; None if the run has neither parents nor children."""
    if tree is None or len(tree.ancestors) + len(tree.nodes) == 1:
        return None
    lines = [(depth, each) for depth, each in enumerate(tree.ancestors)]
    lines += [(len(tree.ancestors) + node.depth, node.run) for node in tree.nodes]
    items = [_item(depth, each, is_current=each.id == run.id) for depth, each in lines]
    more = None if tree.is_complete else el("p", f"More than {TREE_RUNS} runs; not all are shown.", class_="dim")
    counts = Counter(each.status for _, each in lines)
    summary = ", ".join(f"{counts[status]} {status.value}" for status in RunStatus if counts[status])
    return el(
        "details",
        el("summary", f"Tree of {count_text(len(lines), 'run')} ", el("span", summary, class_="dim")),
        el("ul", items),
        more,
        class_="tree",
        open=len(lines) <= _OPEN_RUNS,
    )


def _item(depth: int, run: RunSummary, *, is_current: bool) -> Element:
    name = el("strong", run.id) if is_current else el("a", run.id, href=Address(run.id).page())
    name.set("class", f"depth-{min(depth, _DEPTHS)}")
    took = duration_text(run.updated_at - run.created_at)
    return el("li", status_badge(run.status), name, el("span", f"{run.agent}, {took}", class_="dim"))
