"""The difference between two prompts as structured data.

A prompt that is JSON, such as a list of messages, is compared by its parts; any other text line by line. A missing line
break after the last line is a difference only if there is no other one.
"""

from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

from agent_runs.codec.lossy_json import dump_lossy
from agent_runs.codec.strict_json import container_of
from agent_runs.reader.alignment import common_ends, opcodes

# Longer texts differ as a whole between their common start and end.
_MAX_LINES: Final = 2000


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One difference.

    Attributes:
        path: where it is: the names of fields and the numbers of items from 0, such as `["user_prompt", 3, "content"]`;
            of a text, the last one is the number of its first line, from 0.
        kind: `added`, `removed`, or `changed`.
        before: what was there; None if `added`.
        after: what is there now; None if `removed`.
    """

    path: list[str | int]
    kind: Literal["added", "removed", "changed"]
    before: Any = None
    after: Any = None

    @property
    def path_text(self) -> str:
        """The path as text, such as `user_prompt[3].content`."""
        return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path).removeprefix(".")


def text_changes(before: str, after: str, path: list[str | int]) -> list[Change]:
    """Return the differences between two texts; as JSON if both are a JSON object or array.

    Args:
        before: the first text.
        after: the second text.
        path: where the texts are.
    """
    if before == after:
        return []
    one, other = container_of(before), container_of(after)
    if one is not None and type(one) is type(other):
        return list(value_changes(one, other, path))
    return list(_line_changes(before.splitlines(keepends=True), after.splitlines(keepends=True), path))


def value_changes(before: Any, after: Any, path: list[str | int]) -> Iterator[Change]:
    """Iterate over the differences between two values of JSON; a text differs as a whole.

    Args:
        before: the first value.
        after: the second value.
        path: where the values are.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _object_changes(before, after, path)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _array_changes(before, after, path)
    elif not _are_equal(before, after):
        yield Change(path=path, kind="changed", before=before, after=after)


def _object_changes(before: dict[str, Any], after: dict[str, Any], path: list[str | int]) -> Iterator[Change]:
    for name in {**before, **after}:
        if name not in after:
            yield Change(path=[*path, name], kind="removed", before=before[name])
        elif name not in before:
            yield Change(path=[*path, name], kind="added", after=after[name])
        else:
            yield from value_changes(before[name], after[name], [*path, name])


def _array_changes(before: list[Any], after: list[Any], path: list[str | int]) -> Iterator[Change]:
    """Compare what is between the common start and the common end; item by item, then the longer rest."""
    start, end = common_ends(before, after, _are_equal)
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    for index, (one, other) in enumerate(zip(old, new, strict=False), start):
        yield from value_changes(one, other, [*path, index])
    shared = min(len(old), len(new))
    for index, item in enumerate(old[shared:], start + shared):
        yield Change(path=[*path, index], kind="removed", before=item)
    for index, item in enumerate(new[shared:], start + shared):
        yield Change(path=[*path, index], kind="added", after=item)


def _are_equal(before: Any, after: Any) -> bool:
    """Whether two values are equal in JSON. In Python, `True == 1`, so that equal values may still differ."""
    return bool(before == after) and (
        isinstance(before, str) or dump_lossy(before, canonical=True) == dump_lossy(after, canonical=True)
    )


def _line_changes(before: list[str], after: list[str], path: list[str | int]) -> Iterator[Change]:
    old, new = _with_last_end(before), _with_last_end(after)
    if old == new:  # the end of the last line is the only difference
        old, new = before, after
    start, end = common_ends(old, new)
    old_end, new_end = len(old) - end, len(new) - end
    if max(old_end, new_end) - start > _MAX_LINES:
        yield _lines(before[start:old_end], after[start:new_end], [*path, start])
        return
    for kind, from_old, to_old, from_new, to_new in opcodes(old, new):
        if kind != "equal":
            yield _lines(before[from_old:to_old], after[from_new:to_new], [*path, from_new])


def _with_last_end(lines: list[str]) -> list[str]:
    """Return the lines with a line break after the last one: lines that are appended to a text do not change it."""
    return lines if not lines or lines[-1].endswith("\n") else [*lines[:-1], lines[-1] + "\n"]


def _lines(old: list[str], new: list[str], path: list[str | int]) -> Change:
    before, after = "".join(old), "".join(new)
    if not old:
        return Change(path=path, kind="added", after=after)
    if not new:
        return Change(path=path, kind="removed", before=before)
    return Change(path=path, kind="changed", before=before, after=after)
