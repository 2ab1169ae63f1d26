"""The documentation refers only to files, names and headings that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "schema" / "README.md"])

CODE = re.compile(r"```.*?```|`([^`\n]+)`", re.DOTALL)
# A path of the repository, and a name in that file: `consumer/ingest/ingest.py:ingest`.
PLACE = re.compile(r"((?:agent_runs|consumer|viewer|deploy|docs|examples|schema|tests)/[\w./-]*)(?::([\w.]+))?")
LINK = re.compile(r"\]\((?!\w+://)([^)#\s]*)(?:#([^)\s]+))?\)")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def names_in(path: Path) -> set[str]:
    """The names that a file defines: classes, functions and methods, or queries."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".sql":
        return set(re.findall(r"^-- (\w+) --$", text, re.MULTILINE))
    names: set[str] = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = [child for child in node.body if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)]
            names |= {f"{node.name}.{method.name}" for method in methods}
    return names


def places(text: str) -> set[tuple[str, str]]:
    """The paths that a text quotes, each with the name in the file, or an empty one."""
    return {(match[1], match[2] or "") for quoted in CODE.findall(text) if (match := PLACE.fullmatch(quoted))}


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub forms them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_file_and_every_name_in_a_file_that_a_page_quotes_exists(page: Path) -> None:
    found = places(page.read_text(encoding="utf-8"))
    missing = {(path, name) for path, name in found if not (ROOT / path).exists()}
    missing |= {(path, name) for path, name in found - missing if name and name not in names_in(ROOT / path)}

    assert missing == set()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_of_a_page_leads_to_a_file_and_a_heading(page: Path) -> None:
    links = LINK.findall(CODE.sub("", page.read_text(encoding="utf-8")))
    targets = {(page.parent / path if path else page, anchor) for path, anchor in links}

    assert {str(path) for path, _ in targets if not path.exists()} == set()
    with_anchor = {(path, anchor) for path, anchor in targets if anchor}
    assert {f"{path}#{anchor}" for path, anchor in with_anchor if anchor not in anchors(path.read_text())} == set()


def test_quoted_files_and_names_and_links_are_recognized() -> None:
    text = "See `consumer/loop.py`, `consumer/lanes/lanes.py:Lanes.submit`, `make test`, [a](docs/b.md#c) and [d](#e)."

    assert places(text) == {("consumer/loop.py", ""), ("consumer/lanes/lanes.py", "Lanes.submit")}
    assert LINK.findall(text) == [("docs/b.md", "c"), ("", "e")]
    assert "Lanes.submit" in names_in(ROOT / "consumer" / "lanes" / "lanes.py")
    assert "move_offsets" in names_in(ROOT / "consumer" / "ingest" / "queries.sql")
    assert anchors("# One batch, one `COMMIT`\n") == {"one-batch-one-commit"}
