"""The files of the repository, for the tests of its structure."""

import ast
from pathlib import Path

from tests.support.paths import CHECKOUT

PRODUCT = ("agent_runs", "consumer", "deploy", "examples", "viewer")


def python_files(*folders: str) -> list[Path]:
    """Return the Python files below these folders of the repository, sorted; none for a folder that does not exist."""
    return sorted(path for folder in folders for path in (CHECKOUT / folder).rglob("*.py"))


def relative_name(path: Path) -> str:
    """Return the path relative to the repository."""
    return str(path.relative_to(CHECKOUT))


def syntax_tree(path: Path) -> ast.Module:
    """Parse a Python file."""
    return ast.parse(path.read_text(encoding="utf-8"))
