"""The rules of the repository: what each folder may import."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.support.paths import CHECKOUT
from tests.support.source_files import PRODUCT, python_files, relative_name, syntax_tree


@cache
def imports(path: Path) -> frozenset[str]:
    """The modules that a file imports, also inside functions."""
    return frozenset(imported_modules(path))


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(syntax_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or "."
            # `from consumer import loop` imports the module `consumer.loop`.
            is_folder = module in (*PRODUCT, "tests")
            yield from (f"{module}.{alias.name}" for alias in node.names) if is_folder else (module,)


WITH_RULES = ("agent_runs", "consumer", "viewer")


def packages_with_a_rule() -> list[Path]:
    return sorted(path.parent for root in WITH_RULES for path in (CHECKOUT / root).rglob("__init__.py"))


def allowed_imports(package: Path) -> set[str]:
    """The names in the `May import:` sentence of a package's docstring: siblings and third-party packages."""
    docstring = ast.get_docstring(syntax_tree(package / "__init__.py")) or ""
    sentence = re.search(r"^May import: ([\w\s,]+)\.$", docstring, re.MULTILINE)
    assert sentence, f"{relative_name(package)}/__init__.py has no sentence `May import: …`"
    return set(re.findall(r"\w+", sentence[1]))


def imported_names(path: Path, package: Path) -> set[str]:
    """What a file imports, in the terms of the `May import:` sentence.

    A module of the same top-level package is named by its folder (`kafka` for `consumer.kafka.topic_reader`), any other
    by its top-level package. The file's own package, the standard library and msgspec are left out.
    """
    own = package.relative_to(CHECKOUT).parts
    found = set()
    for module in imports(path):
        parts = module.split(".")
        if parts[0] not in (own[0], *sys.stdlib_module_names, "msgspec"):
            found.add(parts[0])
        elif parts[0] == own[0] and parts[: len(own)] != list(own):
            found.update(parts[1:2])
        elif len(own) == 1 and len(parts) > 1 and (CHECKOUT / own[0] / parts[1]).is_dir():
            found.add(parts[1])
    return found


@pytest.mark.parametrize("package", packages_with_a_rule(), ids=relative_name)
def test_a_file_imports_only_what_its_folder_may_import(package: Path) -> None:
    allowed = allowed_imports(package)
    found = {relative_name(path): imported_names(path, package) for path in sorted(package.glob("*.py"))}

    assert {path: names - allowed for path, names in found.items() if names - allowed} == {}


@pytest.mark.parametrize("package", packages_with_a_rule(), ids=relative_name)
def test_every_name_in_a_may_import_sentence_is_imported(package: Path) -> None:
    imported = set().union(*(imported_names(path, package) for path in package.glob("*.py")))

    assert allowed_imports(package) - imported == set()


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("from consumer.kafka.topic_reader import TopicReader", {"kafka"}),
        ("from consumer.errors import Unavailable", {"errors"}),
        ("from consumer.lanes.queue import Queue", set()),
        ("import asyncpg", {"asyncpg"}),
        ("import asyncio, msgspec", set()),
        ("from agent_runs.ids import new_id", {"agent_runs"}),
        ("def f():\n    from viewer import app", {"viewer"}),
    ],
)
def test_an_import_is_named_in_the_terms_of_the_rule(source: str, names: set[str], tmp_path: Path) -> None:
    path = tmp_path / "file.py"
    path.write_text(source)

    assert imported_names(path, CHECKOUT / "consumer" / "lanes") == names


def test_every_folder_with_code_is_a_package() -> None:
    folders = {path.parent for path in python_files(*WITH_RULES)}

    assert folders == set(packages_with_a_rule())


def described_packages() -> list[str]:
    """The rows of the table in docs/architecture.md, made from the docstrings of the packages."""
    rows = []
    for package in packages_with_a_rule():
        text = " ".join((ast.get_docstring(syntax_tree(package / "__init__.py")) or "").split())
        imports = re.findall(r"\w+", text.partition("May import: ")[2])
        rows.append(f"| `{relative_name(package)}` | {text.partition('. ')[0]}. | {', '.join(imports)} |")
    return rows


def test_the_architecture_page_lists_every_package_as_its_docstring_describes_it() -> None:
    page = (CHECKOUT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = page.partition("## Packages")[2].partition("| other folder |")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]

    assert rows == described_packages(), "copy the rows from the docstrings into docs/architecture.md"


def top_level_imports(path: Path) -> set[str]:
    """The top-level packages that a file imports."""
    return {module.partition(".")[0] for module in imports(path)}


# The library is installed without the service.
def test_the_library_never_imports_another_folder_of_the_repository() -> None:
    others = {"consumer", "viewer", "deploy", "tests"}

    assert [path for path in python_files("agent_runs") if top_level_imports(path) & others] == []


# The viewer reads the tables without the service.
def test_the_viewer_never_imports_the_service() -> None:
    assert [path for path in python_files("viewer") if "consumer" in top_level_imports(path)] == []


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """The statements in a module, a class or a function, without those for the type checker alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield child
            yield from statements(child)


def modules_imported(path: Path) -> set[Path]:
    """The files of the modules that a file imports with `from`, other than itself."""
    found = set()
    for node in statements(syntax_tree(path)):
        if isinstance(node, ast.ImportFrom):
            module = CHECKOUT.joinpath(*(node.module or "").split("."))
            found |= {file if (file := module / f"{alias.name}.py").exists() else module for alias in node.names}
    return {module / "__init__.py" if module.is_dir() else module.with_suffix(".py") for module in found} - {path}


def test_no_modules_import_each_other_in_a_circle_also_inside_functions() -> None:
    files = set(python_files(*PRODUCT))
    graph = {path: modules_imported(path) & files for path in files}

    assert sum(map(len, graph.values())) > len(graph)
    TopologicalSorter(graph).prepare()  # raises CycleError with the modules of a circle


def test_every_product_folder_contains_python_files() -> None:
    # Otherwise a rule for a renamed folder would apply to no file.
    assert [folder for folder in PRODUCT if not python_files(folder)] == []


def test_no_product_file_imports_a_test() -> None:
    assert [path for path in python_files(*PRODUCT) if "tests" in top_level_imports(path)] == []


# The folders whose files no other folder may import, and the folders that every test may import. The others (bench,
# nemesis, simulation) have their own command line; only the tests in acceptance and selftest import them.
TEST_FOLDERS = {"acceptance", "browser", "faults", "integration", "selftest", "unit"}
SHARED_BY_TESTS = {"checker", "support"}
TESTS_OF_TOOLS = {"acceptance", "selftest"}


def other_folders_imported(path: Path) -> set[str]:
    """The other folders under tests/ that a file under tests/ imports."""
    own = path.relative_to(CHECKOUT / "tests").parts[0]
    return {module.split(".")[1] for module in imports(path) if module.startswith("tests.")} - {own}


def test_a_test_folder_imports_no_other_test_folder() -> None:
    assert [path for path in python_files("tests") if other_folders_imported(path) & TEST_FOLDERS] == []


def test_only_tests_of_the_tools_import_other_folders_than_the_shared_ones() -> None:
    others = [path for path in python_files("tests") if other_folders_imported(path) - SHARED_BY_TESTS]

    assert [path for path in others if path.relative_to(CHECKOUT / "tests").parts[0] not in TESTS_OF_TOOLS] == []


@pytest.mark.parametrize("source", ["from tests import bench", "import tests.bench.goals", "from tests.bench import x"])
def test_an_import_of_a_folder_under_tests_is_found_in_every_form(source: str, tmp_path: Path) -> None:
    path = tmp_path / "file.py"
    path.write_text(source)

    assert {module.split(".")[1] for module in imports(path)} == {"bench"}


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import agent_runs", {"asyncpg", "aiokafka", "asyncio", "consumer", "logging", "agent_runs.emitter"}),
        # The emitter's thread imports the Kafka client, so that the agent's thread does not wait for the import.
        ("from agent_runs import Emitter; Emitter(bootstrap_servers='h:1')", {"asyncpg", "aiokafka", "asyncio"}),
        ("import agent_runs.pytest_plugin", {"aiokafka", "asyncio", "agent_runs.emitter"}),
        # Only the commands that need Kafka import its client, which takes a third of a second.
        ("import agent_runs.cli.main", {"aiokafka"}),
    ],
)
def test_what_an_import_does_not_need_is_not_loaded(statement: str, forbidden: set[str]) -> None:
    before = "import pytest" if "pytest" in statement else ""
    code = f"{before}\nimport sys; had = {{*sys.modules}}\n{statement}\nprint(*{{*sys.modules}} - had)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)

    assert "agent_runs" in loaded.stdout
    assert forbidden.isdisjoint(loaded.stdout.split())
