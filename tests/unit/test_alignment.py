"""How two lists are aligned, whatever they hold."""

from random import Random

import pytest

from agent_runs.reader.alignment import opcodes
from agent_runs.reader.prompt_diff import text_changes


@pytest.mark.parametrize("count", [10, 600])  # 600: equal items are numbered
def test_the_operations_make_one_list_of_the_other(count: int) -> None:
    random = Random(1)
    for _ in range(5):
        old, new = (random.choices("abc", k=random.randrange(count)) for _ in range(2))
        made: list[str] = []
        for kind, from_old, to_old, from_new, to_new in opcodes(old, new):
            made += old[from_old:to_old] if kind == "equal" else new[from_new:to_new]
        assert made == new


def test_a_text_of_repeated_lines_is_compared_without_comparing_each_with_each() -> None:
    before, after = "a\n" * 2000, "a\nb\n" * 1000

    changes = text_changes(before, after, [])

    assert sum(len((change.after or "").splitlines()) for change in changes) >= 1000
