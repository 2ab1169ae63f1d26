"""The rules of the repository: where each kind of file lives."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import CHECKOUT
from tests.support.source_files import python_files, relative_name, syntax_tree

IGNORED = {
    ".git",
    ".venv",
    ".venv-matrix",
    ".venv-peers",
    ".local",
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".hypothesis",
    "dist",
}

STATEMENT = re.compile(r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH|COPY|CREATE|ALTER|DROP|TRUNCATE)\s")


def string_constants(tree: ast.Module) -> Iterator[ast.Constant]:
    """The string literals of a file, without its docstrings."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node


def test_the_programs_and_the_examples_contain_no_sql() -> None:
    found = [
        f"{relative_name(path)}:{node.lineno}"
        for path in python_files("agent_runs", "consumer", "viewer", "examples")
        for node in string_constants(syntax_tree(path))
        if STATEMENT.match(str(node.value))
    ]

    assert found == [], "lines with SQL statements"


@pytest.mark.parametrize("text", ["SELECT 1", "\n  UPDATE x", "WITH a AS (", "INSERT INTO runs", "COPY t FROM"])
def test_an_sql_statement_is_recognized(text: str) -> None:
    (node,) = string_constants(ast.parse(f"query = {text!r}"))

    assert STATEMENT.match(str(node.value))


def test_the_schema_folder_holds_no_python() -> None:
    # A package `schema` exists in the package index; this folder must not shadow it.
    assert list((CHECKOUT / "schema").rglob("*.py")) == []
    assert list((CHECKOUT / "schema").rglob("*.pyi")) == []


def test_the_wheel_needs_msgspec_and_aiokafka_only() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert sorted(re.split(r"[\[<>=~! ]", needed)[0] for needed in project["dependencies"]) == ["aiokafka", "msgspec"]
    assert any("aiokafka[lz4,snappy,zstd]" in needed for needed in project["dependencies"])


def project_files(folder: Path = CHECKOUT) -> Iterator[Path]:
    """The files of the repository, without those in the folders of IGNORED."""
    for child in folder.iterdir():
        if child.is_dir() and not child.is_symlink() and child.name not in IGNORED:
            yield from project_files(child)
        elif child.is_file():
            yield child


def test_no_file_names_the_host_of_a_package_registry() -> None:
    # Lock files hold names and hashes but no addresses, so that an installation can use a mirror for everything.
    hosts = [".".join(parts).encode() for parts in (("pypi", "org"), ("files", "pythonhosted", "org"))]
    hosts += [f"{name}.maven".encode() for name in ("repo", "repo1")]
    found = [relative_name(path) for path in project_files() if any(host in path.read_bytes() for host in hosts)]

    assert found == []
