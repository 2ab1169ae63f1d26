"""The matrix of environments: its rows name tests that exist, the page has them all, a failed test fails its row."""

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.matrix.execution import Result, execute, outcome_of
from tests.matrix.row import Absent, Environment, Row
from tests.matrix.rows import SECTIONS
from tests.matrix.table import lines_by_row, to_line, update
from tests.support.paths import CHECKOUT

ROWS = [row for rows in SECTIONS.values() for row in rows]
PAGE = CHECKOUT / "docs" / "compatibility.md"


@pytest.mark.parametrize("test", sorted({test for row in ROWS for test in row.tests}))
def test_a_row_names_tests_that_exist(test: str) -> None:
    path, _, function = test.partition("::")
    name = function.partition("[")[0]

    assert (CHECKOUT / path).exists()
    assert not name or re.search(rf"def {name}\(", (CHECKOUT / path).read_text(encoding="utf-8"))


def test_the_page_has_the_rows_in_their_order() -> None:
    names = [row.name for row in ROWS]

    assert len(set(names)) == len(names)
    assert list(lines_by_row(PAGE.read_text(encoding="utf-8"))) == names, "run make matrix WRITE=docs/compatibility.md"


def _report(*cases: str) -> str:
    return f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>"


PASSED = '<testcase name="test_a" />'
FAILED = '<testcase name="test_b"><failure message="no">…</failure></testcase>'
ERROR = '<testcase name="test_c"><error message="no">…</error></testcase>'
SKIPPED = '<testcase name="test_d"><skipped message="the program x is not installed">…</skipped></testcase>'


@pytest.mark.parametrize(
    ("cases", "exit_code", "expected"),
    [
        ([PASSED], 0, ("works", "1 test")),
        ([PASSED, SKIPPED, PASSED], 0, ("works", "2 tests")),
        ([PASSED, FAILED, ERROR], 1, ("failed", "test_b, test_c")),
        ([SKIPPED, SKIPPED], 0, ("skipped", "The program x is not installed.")),
        ([], 5, ("failed", "pytest ended with 5")),  # it has found no test
        ([SKIPPED], 2, ("failed", "pytest ended with 2")),
    ],
)
def test_the_outcome_of_a_row_follows_from_those_of_its_tests(
    cases: Sequence[str], exit_code: int, expected: tuple[str, str]
) -> None:
    assert outcome_of(_report(*cases), exit_code) == expected


def test_the_tests_of_a_row_run_with_its_settings_and_those_of_the_servers(tmp_path: Path) -> None:
    file = tmp_path / "test_row.py"
    file.write_text(
        "import os\ndef test_it():\n    assert os.environ['KAFKA'] + os.environ['DATABASE'] == 'all, row'\n"
    )

    @contextmanager
    def opened() -> Iterator[Environment]:
        yield Environment(settings={"DATABASE": "row"}, versions=("Thing 1",))

    row = Row("row", "something", ("--noconftest", f"--rootdir={tmp_path}", str(file)), open=opened)
    result = execute(row, {"KAFKA": "all, ", "DATABASE": "all"})

    assert (result.outcome, result.versions) == ("works", ("Thing 1",)), result.output


def test_a_row_whose_requirement_is_absent_is_skipped_with_the_remedy() -> None:
    def absent() -> AbstractContextManager[Environment]:
        raise Absent("Python 9.9 is not installed; install it.")

    without_package = execute(Row("row", "something", (), ("no-such-package",)), {})

    assert execute(Row("row", "something", (), open=absent), {}).detail == "Python 9.9 is not installed; install it."
    assert without_package.outcome == "skipped"
    assert without_package.detail == "The package no-such-package is not installed; `make matrix` installs it."


def test_the_page_keeps_the_lines_of_rows_that_were_not_run() -> None:
    first, second, gone = (Row(name, name, ()) for name in ("first", "second", "gone"))
    old = {"gone": Result("gone", "works", "1 test"), "second": Result("second", "failed", "test_x", seconds=2)}
    before = update("Text.\n\n<!-- tables -->\n", {"H": [gone, second]}, old, "Machine.")

    new = {"first": Result("first", "works", "2 tests", ("A 1", "B 2"), 3)}
    page = update(before, {"H": [first, second]}, new, "M.")

    assert page.startswith("Text.\n\n<!-- tables -->\n\nM.\n\n## H\n")
    assert list(lines_by_row(page).values()) == [
        "| `first` | first | A 1<br>B 2 | works (2 tests) | 3 |",
        "| `second` | second | – | failed: test_x | 2 |",
    ]
    assert to_line(first, Result("first", "skipped", "It is absent.")).endswith("| – | skipped: It is absent. | – |")
