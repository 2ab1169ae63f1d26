"""The fault matrix in tests/faults/README.md has every row, and names only tests that exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

FAULTS = Path(__file__).parents[1] / "faults"
ROWS = [
    line.split(" | ") for line in (FAULTS / "README.md").read_text(encoding="utf-8").splitlines() if line[:2] == "| "
]
SPAN = re.compile(r"`([^`]+)`")
NAMED = re.compile(r"(?:(?P<file>[\w/]+\.py))?(?:::)?(?P<test>(?:test_|…)\w[\w…]*)?(?P<case>\[.*\])?")


def scenarios() -> Iterator[tuple[str, str]]:
    """Each named test with its file. A test without a file is in the file that its row named last."""
    for row in ROWS:
        file = ""
        for span in SPAN.findall(row[2]) if len(row) > 2 else ():
            match = NAMED.fullmatch(span)
            if match and (match["file"] or match["test"]):
                file = match["file"] or file
                yield file, match["test"] or ""


def test_the_rows_of_the_matrix_are_numbered_without_gaps() -> None:
    numbers = [int(row[0].strip("| ")) for row in ROWS if row[0].strip("| ").isdigit()]

    assert numbers == list(range(1, 45))


@pytest.mark.parametrize(("file", "test"), sorted(set(scenarios())))
def test_a_named_test_exists(file: str, test: str) -> None:
    path = FAULTS.parents[1] / file if "/" in file else FAULTS / file
    names = re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))

    assert [name for name in names if re.fullmatch(test.replace("…", r"\w+") or ".+", name)]
