"""Aligns two lists, such as the lines of two texts or the events of two runs, quickly whatever they hold."""

import operator
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any, Final

# `SequenceMatcher` compares each item with each equal one, for each part that it finds: 1,000 equal items in both lists
# can take a minute. If there are more such pairs, equal items are numbered, and the nth of one list belongs to the nth
# of the other.
_MAX_EQUAL_PAIRS: Final = 20_000


def opcodes(old: Sequence[Hashable], new: Sequence[Hashable]) -> Iterator[tuple[str, int, int, int, int]]:
    """Iterate over the operations that make one list of the other, as `SequenceMatcher.get_opcodes` returns them."""
    start, end = common_ends(old, new)
    to_old, to_new = len(old) - end, len(new) - end
    if start:
        yield "equal", 0, start, 0, start
    between = _comparable(old[start:to_old], new[start:to_new])
    for kind, *places in SequenceMatcher(None, *between, autojunk=False).get_opcodes():
        first, second, third, fourth = (start + place for place in places)
        yield kind, first, second, third, fourth
    if end:
        yield "equal", to_old, len(old), to_new, len(new)


def common_ends(
    old: Sequence[Any], new: Sequence[Any], are_equal: Callable[[Any, Any], bool] = operator.eq
) -> tuple[int, int]:
    """Return how many items are equal at the start, and of the others at the end."""
    shorter = min(len(old), len(new))
    start = next((at for at in range(shorter) if not are_equal(old[at], new[at])), shorter)
    left = shorter - start
    return start, next((at for at in range(left) if not are_equal(old[-1 - at], new[-1 - at])), left)


def _comparable(old: Sequence[Hashable], new: Sequence[Hashable]) -> tuple[Sequence[Hashable], Sequence[Hashable]]:
    counts = Counter(new)
    if sum(counts[item] for item in old) <= _MAX_EQUAL_PAIRS:
        return old, new
    return _numbered(old), _numbered(new)


def _numbered(items: Sequence[Hashable]) -> list[Hashable]:
    seen: Counter[Hashable] = Counter()
    numbered: list[Hashable] = []
    for item in items:
        numbered.append((item, seen[item]))
        seen[item] += 1
    return numbered
