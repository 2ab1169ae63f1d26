"""The rules of the house: who may import whom, what stands where, how long things are."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ("agent_runs", "consumer", "deploy", "examples", "schema")
IGNORED = {
    ".git",
    ".venv",
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


def files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, wherever in it."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or "."
            # `from consumer import loop` names a module of a top-level package.
            yield from (f"{module}.{alias.name}" for alias in node.names) if module in PRODUCT else (module,)


def packages(path: Path) -> set[str]:
    return {module.partition(".")[0] for module in imports(path)}


# --- who may import whom ---


def packages_with_a_rule() -> list[Path]:
    return sorted(path.parent for root in ("agent_runs", "consumer") for path in (ROOT / root).rglob("__init__.py"))


def allowed_imports(package: Path) -> set[str]:
    """The names of the `May import:` sentence of a package's docstring: its siblings, and packages from outside."""
    docstring = ast.get_docstring(parsed(package / "__init__.py")) or ""
    sentence = re.search(r"^May import: ([\w\s,]+)\.$", docstring, re.MULTILINE)
    assert sentence, f"{named(package)}/__init__.py has no sentence `May import: …`"
    return set(re.findall(r"\w+", sentence[1]))


def imported_names(path: Path, package: Path) -> set[str]:
    """What a file imports, in the words of its package's rule; the package itself and its like are left out.

    Inside the own top-level package the name is the sibling's (`kafka` of `consumer.kafka.topic_reader`), elsewhere the
    top-level package's.
    """
    own = package.relative_to(ROOT).parts
    found = set()
    for module in imports(path):
        parts = module.split(".")
        if parts[0] not in (own[0], *sys.stdlib_module_names, "msgspec"):
            found.add(parts[0])
        elif parts[0] == own[0] and parts[: len(own)] != list(own):
            found.update(parts[1:2])
        elif len(own) == 1 and len(parts) > 1 and (ROOT / own[0] / parts[1]).is_dir():
            found.add(parts[1])
    return found


@pytest.mark.parametrize("package", packages_with_a_rule(), ids=named)
def test_a_file_imports_only_what_its_folder_may_import(package: Path) -> None:
    allowed = allowed_imports(package)
    found = {named(path): imported_names(path, package) for path in sorted(package.glob("*.py"))}

    assert {path: names - allowed for path, names in found.items() if names - allowed} == {}
    assert allowed == set().union(*found.values()), "the rule names what no file imports"


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
def test_an_import_is_read_in_the_words_of_the_rule(source: str, names: set[str], tmp_path: Path) -> None:
    path = tmp_path / "file.py"
    path.write_text(source)

    assert imported_names(path, ROOT / "consumer" / "lanes") == names


def test_every_folder_with_code_states_its_rule() -> None:
    folders = {path.parent for path in files("agent_runs", "consumer")}

    assert folders == set(packages_with_a_rule())


# The folders with tests, and those that tests of any folder may use. The other folders under tests are tools with a
# command of their own, used by the tests in acceptance and selftest.
TEST_FOLDERS = {"acceptance", "faults", "integration", "selftest", "unit"}
SHARED_BY_TESTS = {"checker", "support"}


@pytest.mark.parametrize("path", files("tests"), ids=named)
def test_a_test_folder_imports_no_other_test_folder(path: Path) -> None:
    own = path.relative_to(ROOT / "tests").parts[0]
    found = {module.split(".")[1] for module in imports(path) if module.startswith("tests.")} - {own}

    assert found.isdisjoint(TEST_FOLDERS)
    assert own in {"acceptance", "selftest"} or found <= SHARED_BY_TESTS


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import agent_runs", {"asyncpg", "aiokafka", "asyncio", "consumer", "logging", "agent_runs.emitter"}),
        # The emitter's thread loads what it needs; the agent's own thread does not wait for that.
        ("from agent_runs import Emitter; Emitter(bootstrap_servers='h:1')", {"asyncpg", "aiokafka", "asyncio"}),
        ("import agent_runs.pytest_plugin", {"aiokafka", "asyncio", "agent_runs.emitter"}),
    ],
)
def test_importing_the_library_loads_no_client_and_no_event_loop(statement: str, forbidden: set[str]) -> None:
    before = "import pytest" if "pytest" in statement else ""
    code = f"{before}\nimport sys; had = {{*sys.modules}}\n{statement}\nprint(*{{*sys.modules}} - had)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert "agent_runs" in loaded.stdout
    assert forbidden.isdisjoint(loaded.stdout.split())


# --- what stands where ---


def string_constants(tree: ast.Module) -> Iterator[ast.Constant]:
    """The strings of a file, but for its docstrings."""
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


@pytest.mark.parametrize("path", files("agent_runs", "consumer", "examples"), ids=named)
def test_sql_stands_in_files_of_its_own(path: Path) -> None:
    found = [node.lineno for node in string_constants(parsed(path)) if STATEMENT.match(str(node.value))]

    assert found == [], "lines with statements"


@pytest.mark.parametrize("text", ["SELECT 1", "\n  UPDATE x", "WITH a AS (", "INSERT INTO runs", "COPY t FROM"])
def test_a_statement_would_be_found(text: str) -> None:
    (node,) = string_constants(ast.parse(f"query = {text!r}"))

    assert STATEMENT.match(str(node.value))


def test_the_schema_is_data() -> None:
    # A module `schema` exists in the package index: a folder of that name must not be taken for it.
    assert list((ROOT / "schema").rglob("*.py")) == []
    assert list((ROOT / "schema").rglob("*.pyi")) == []


def test_the_wheel_needs_msgspec_and_aiokafka_only() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert sorted(re.split(r"[\[<>=~! ]", needed)[0] for needed in project["dependencies"]) == ["aiokafka", "msgspec"]
    assert any("aiokafka[lz4,snappy,zstd]" in needed for needed in project["dependencies"])


def test_the_wheel_holds_the_library_only() -> None:
    built = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]

    assert built["wheel"]["packages"] == ["agent_runs"]


def committed(folder: Path = ROOT) -> Iterator[Path]:
    """All files but those that are made here and stay here."""
    for child in folder.iterdir():
        if child.is_dir() and not child.is_symlink() and child.name not in IGNORED:
            yield from committed(child)
        elif child.is_file():
            yield child


def test_no_file_names_the_host_of_a_package_registry() -> None:
    # Whoever installs behind a mirror gets everything from there: the locks hold names and hashes, no addresses.
    hosts = [".".join(parts).encode() for parts in (("pypi", "org"), ("files", "pythonhosted", "org"))]
    hosts += [f"{name}.maven".encode() for name in ("repo", "repo1")]
    found = [named(path) for path in committed() if any(host in path.read_bytes() for host in hosts)]

    assert found == []


# --- how long things are ---


@pytest.mark.parametrize("path", files(*PRODUCT), ids=named)
def test_a_file_can_be_read_in_a_minute(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 250


@pytest.mark.parametrize("path", files(*PRODUCT), ids=named)
def test_a_function_fits_on_a_screen(path: Path) -> None:
    lengths = {
        node.name: (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert {name: length for name, length in lengths.items() if length > 40} == {}


@pytest.mark.parametrize("path", files(*PRODUCT), ids=named)
def test_a_constructor_takes_at_most_six_parameters(path: Path) -> None:
    counts = {
        node.lineno: len(node.args.args) + len(node.args.kwonlyargs) - 1
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
    }

    assert {line: count for line, count in counts.items() if count > 6} == {}
