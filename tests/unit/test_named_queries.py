"""The reader of `queries.sql` files, and that the files and the code name the same queries."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_runs.named_queries import load_queries

CONSUMER = Path(__file__).parents[2] / "consumer"
FILES = sorted(CONSUMER.rglob("queries.sql"))
QUERIES = {name: text for file in FILES for name, text in load_queries(file).items()}


def load(tmp_path: Path, text: str) -> dict[str, str]:
    path = tmp_path / "queries.sql"
    path.write_text(text, encoding="utf-8")
    return dict(load_queries(path))


def test_a_query_ends_at_the_next_name(tmp_path: Path) -> None:
    text = "-- About this file.\n\n-- one --\n-- Its purpose.\nSELECT 1\n\n-- two_2 --\n\nSELECT\n  'ß'\n\n"

    assert load(tmp_path, text) == {"one": "-- Its purpose.\nSELECT 1", "two_2": "SELECT\n  'ß'"}


def test_a_name_is_alone_on_its_line(tmp_path: Path) -> None:
    text = "-- one --\nSELECT 1 -- two --\n -- three --\n-- not a name --\n-- four -- five\n"

    assert list(load(tmp_path, text)) == ["one"]


def test_a_file_without_queries_has_none(tmp_path: Path) -> None:
    assert load(tmp_path, "-- Nothing yet.\n") == {}


def test_a_duplicate_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"named twice: one, two$"):
        load(tmp_path, "-- two --\n1\n-- one --\n1\n-- one --\n2\n-- two --\n3\n-- three --\n4\n")


def test_text_before_the_first_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="text before the first"):
        load(tmp_path, "SELECT 1;\n-- one --\nSELECT 2\n")


def used_names(package: str = "") -> Iterator[str]:
    """The query names in calls of `fetch`, by the whole service or one package of it."""
    for path in (CONSUMER / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "fetch":
                yield from (str(arg.value) for arg in node.args[:1] if isinstance(arg, ast.Constant))


def test_the_code_and_the_files_name_the_same_queries() -> None:
    named, used = set(QUERIES), set(used_names())

    assert used - named == set(), "used, but not in a file"
    assert named - used == set(), "in a file, but not used"


@pytest.mark.parametrize(
    "file", [file for file in FILES if file.parent.name != "postgres"], ids=lambda f: f.parent.name
)
def test_a_packages_queries_are_used_by_that_package(file: Path) -> None:
    assert set(load_queries(file)) <= set(used_names(file.parent.name))


def test_no_two_files_have_the_same_name() -> None:
    assert len(QUERIES) == sum(len(load_queries(file)) for file in FILES)


def test_every_query_has_a_comment() -> None:
    uncommented = [name for name, text in QUERIES.items() if not text.startswith("-- ")]

    assert uncommented == []


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in QUERIES.items()])
def test_a_query_uses_its_parameters_without_a_gap(text: str) -> None:
    code = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    used = {int(digits) for digits in re.findall(r"\$(\d+)", code)}

    assert used == set(range(1, len(used) + 1))
