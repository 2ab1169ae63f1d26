"""The tree of a run: its ancestors and its descendants."""

from collections import defaultdict

import msgspec

from agent_runs.reader.runs import RunSummary


class RelatedRuns(msgspec.Struct, frozen=True, kw_only=True):
    """The ancestors and descendants of a run, in any order.

    Attributes:
        ancestors: its parent, the parent of that, and so on; without the run itself.
        descendants: its children, their children, and so on; without the run itself.
        is_complete: whether there are no more of them.
    """

    ancestors: list[RunSummary]
    descendants: list[RunSummary]
    is_complete: bool


class TreeNode(msgspec.Struct, frozen=True, kw_only=True):
    """A run in a tree.

    Attributes:
        depth: 0 for the run whose tree it is, 1 for its children.
        run: the run.
    """

    depth: int
    run: RunSummary


class RunTree(msgspec.Struct, frozen=True, kw_only=True):
    """The tree of a run. Producers may report a circle of parents: each run is in the tree once.

    Attributes:
        ancestors: the ancestors, the topmost first; the last one is the parent.
        nodes: the run and its descendants. Each run is followed by its children, the oldest first, with their own.
        is_complete: whether no ancestor or descendant is missing because of the limit.
    """

    ancestors: list[RunSummary]
    nodes: list[TreeNode]
    is_complete: bool


def tree_of(run: RunSummary, related: RelatedRuns) -> RunTree:
    """Return the tree of a run."""
    return RunTree(
        ancestors=_chain(run, related.ancestors), nodes=_preorder(run, related), is_complete=related.is_complete
    )


def _chain(run: RunSummary, ancestors: list[RunSummary]) -> list[RunSummary]:
    by_id = {ancestor.id: ancestor for ancestor in ancestors if ancestor.id != run.id}
    chain: list[RunSummary] = []
    parent = by_id.pop(run.parent_run_id or "", None)
    while parent is not None:
        chain.append(parent)
        parent = by_id.pop(parent.parent_run_id or "", None)
    return chain[::-1]


def _preorder(run: RunSummary, related: RelatedRuns) -> list[TreeNode]:
    children: defaultdict[str | None, list[RunSummary]] = defaultdict(list)
    for child in sorted(related.descendants, key=lambda each: (each.created_at, each.id), reverse=True):
        children[child.parent_run_id].append(child)
    nodes: list[TreeNode] = []
    seen: set[str] = set()
    stack = [TreeNode(depth=0, run=run)]  # not recursion: a chain of runs may be longer than Python's stack
    while stack:
        node = stack.pop()
        if node.run.id not in seen:
            seen.add(node.run.id)
            nodes.append(node)
            stack += [TreeNode(depth=node.depth + 1, run=child) for child in children[node.run.id]]
    return nodes
