"""The rules of the repository: how long code may be, and which code may change an object."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.source_files import PRODUCT, python_files, relative_name, syntax_tree


def test_a_product_file_has_at_most_250_lines() -> None:
    lengths = {
        relative_name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files(*PRODUCT)
    }

    assert {name: length for name, length in lengths.items() if length > 250} == {}


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """The functions and methods of all product files, each with its file and line."""
    for path in python_files(*PRODUCT):
        for node in ast.walk(syntax_tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{relative_name(path)}:{node.lineno}", node


def test_a_function_has_at_most_40_lines() -> None:
    lengths = {place: (node.end_lineno or 0) - node.lineno + 1 for place, node in functions()}

    assert {place: length for place, length in lengths.items() if length > 40} == {}


def test_a_constructor_takes_at_most_six_parameters() -> None:
    counts = {
        place: len(node.args.posonlyargs) + len(node.args.args) + len(node.args.kwonlyargs) - 1
        for place, node in functions()
        if node.name == "__init__"
    }

    assert {place: count for place, count in counts.items() if count > 6} == {}


def assigned_attributes(tree: ast.Module) -> Iterator[ast.Attribute]:
    """The attributes that are assigned on anything but `self`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) != "self":
            yield node


@pytest.mark.parametrize(
    "path",
    python_files("consumer/kafka", "consumer/lanes", "consumer/model", "consumer/partitions", "consumer/telemetry"),
    ids=relative_name,
)
def test_attributes_are_assigned_only_on_self(path: Path) -> None:
    found = [(node.lineno, ast.unparse(node)) for node in assigned_attributes(syntax_tree(path))]

    assert found == []


@pytest.mark.parametrize("text", ["claim.x = 1", "claim.x += 1", "self.claim.x = 1", "a, claim.x = 1, 2"])
def test_an_assignment_to_another_object_is_found(text: str) -> None:
    assert len(list(assigned_attributes(ast.parse(text)))) == 1
