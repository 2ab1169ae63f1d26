"""The table of faults names tests that there are."""

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
    """Each named test with its file; a row goes on with the file that it named last."""
    for row in ROWS:
        file = ""
        for span in SPAN.findall(row[2]) if len(row) > 2 else ():
            match = NAMED.fullmatch(span)
            if match and (match["file"] or match["test"]):
                file = match["file"] or file
                yield file, match["test"] or ""


def test_every_row_of_the_matrix_is_there_once_and_in_order() -> None:
    numbers = [int(row[0].strip("| ")) for row in ROWS if row[0].strip("| ").isdigit()]

    assert numbers == list(range(1, 44))


@pytest.mark.parametrize(("file", "test"), sorted(set(scenarios())))
def test_a_scenario_that_is_named_exists(file: str, test: str) -> None:
    path = FAULTS.parents[1] / file if "/" in file else FAULTS / file
    names = re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))

    assert [name for name in names if re.fullmatch(test.replace("…", r"\w+") or ".+", name)]
