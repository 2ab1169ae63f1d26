"""The rules of the repository: what each folder may import, where each kind of file lives, how long code may be."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ("agent_runs", "consumer", "deploy", "examples", "schema", "viewer")
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
    """The modules that a file imports, also inside functions."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or "."
            # `from consumer import loop` imports the module `consumer.loop`.
            yield from (f"{module}.{alias.name}" for alias in node.names) if module in PRODUCT else (module,)


# --- what each folder may import ---

WITH_RULES = ("agent_runs", "consumer", "viewer")


def packages_with_a_rule() -> list[Path]:
    return sorted(path.parent for root in WITH_RULES for path in (ROOT / root).rglob("__init__.py"))


def allowed_imports(package: Path) -> set[str]:
    """The names in the `May import:` sentence of a package's docstring: siblings and third-party packages."""
    docstring = ast.get_docstring(parsed(package / "__init__.py")) or ""
    sentence = re.search(r"^May import: ([\w\s,]+)\.$", docstring, re.MULTILINE)
    assert sentence, f"{named(package)}/__init__.py has no sentence `May import: …`"
    return set(re.findall(r"\w+", sentence[1]))


def imported_names(path: Path, package: Path) -> set[str]:
    """What a file imports, in the terms of the `May import:` sentence.

    A module of the same top-level package is named by its folder (`kafka` for `consumer.kafka.topic_reader`), any other
    by its top-level package. The file's own package, the standard library and msgspec are left out.
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
    assert allowed == set().union(*found.values()), "the `May import:` sentence names a package that no file imports"


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

    assert imported_names(path, ROOT / "consumer" / "lanes") == names


def test_every_folder_with_code_states_its_rule() -> None:
    folders = {path.parent for path in files(*WITH_RULES)}

    assert folders == set(packages_with_a_rule())


def described_packages() -> list[str]:
    """The rows of the table in docs/architecture.md, made from the docstrings of the packages."""
    rows = []
    for package in packages_with_a_rule():
        text = " ".join((ast.get_docstring(parsed(package / "__init__.py")) or "").split())
        imports = re.findall(r"\w+", text.partition("May import: ")[2])
        rows.append(f"| `{named(package)}` | {text.partition('. ')[0]}. | {', '.join(imports)} |")
    return rows


def test_the_architecture_page_lists_every_package_as_its_docstring_describes_it() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = page.partition("## Packages")[2].partition("| other folder |")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]

    assert rows == described_packages(), "copy the rows from the docstrings into docs/architecture.md"


# The library is installed without the service, and the viewer reads the tables without it.
INDEPENDENT_OF = {"agent_runs": {"consumer", "viewer", "deploy", "tests"}, "viewer": {"consumer"}}


@pytest.mark.parametrize("path", files(*INDEPENDENT_OF), ids=named)
def test_the_library_and_the_viewer_never_import_the_service(path: Path) -> None:
    own = path.relative_to(ROOT).parts[0]

    assert INDEPENDENT_OF[own].isdisjoint(module.partition(".")[0] for module in imports(path))


@pytest.mark.parametrize("path", files("consumer", "deploy", "examples"), ids=named)
def test_no_product_file_imports_a_test(path: Path) -> None:
    assert "tests" not in {module.partition(".")[0] for module in imports(path)}


# The folders with tests, and the folders that each of them may import. The other folders under tests/ hold tools with
# their own command line; only the tests in acceptance and selftest run those.
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
        # The emitter's thread imports the Kafka client, so that the agent's thread does not wait for the import.
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


# --- which code may change an object ---


def assigned_attributes(tree: ast.Module) -> Iterator[ast.Attribute]:
    """The attributes that are assigned on anything but `self`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) != "self":
            yield node


@pytest.mark.parametrize(
    "path",
    files("consumer/kafka", "consumer/lanes", "consumer/model", "consumer/partitions", "consumer/telemetry"),
    ids=named,
)
def test_only_the_methods_of_an_object_assign_its_attributes(path: Path) -> None:
    found = [(node.lineno, ast.unparse(node)) for node in assigned_attributes(parsed(path))]

    assert found == []


@pytest.mark.parametrize("text", ["claim.x = 1", "claim.x += 1", "self.claim.x = 1", "a, claim.x = 1, 2"])
def test_an_assignment_to_another_object_is_found(text: str) -> None:
    assert len(list(assigned_attributes(ast.parse(text)))) == 1


# --- where each kind of file lives ---


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


@pytest.mark.parametrize("path", files("agent_runs", "consumer", "examples"), ids=named)
def test_no_python_file_contains_an_sql_statement(path: Path) -> None:
    found = [node.lineno for node in string_constants(parsed(path)) if STATEMENT.match(str(node.value))]

    assert found == [], "lines with SQL statements"


@pytest.mark.parametrize("text", ["SELECT 1", "\n  UPDATE x", "WITH a AS (", "INSERT INTO runs", "COPY t FROM"])
def test_an_sql_statement_is_recognized(text: str) -> None:
    (node,) = string_constants(ast.parse(f"query = {text!r}"))

    assert STATEMENT.match(str(node.value))


def test_the_schema_folder_holds_no_python() -> None:
    # A package `schema` exists in the package index; this folder must not shadow it.
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
    """All files except generated and local ones."""
    for child in folder.iterdir():
        if child.is_dir() and not child.is_symlink() and child.name not in IGNORED:
            yield from committed(child)
        elif child.is_file():
            yield child


def test_no_file_names_the_host_of_a_package_registry() -> None:
    # Lock files hold names and hashes but no addresses, so that an installation can use a mirror for everything.
    hosts = [".".join(parts).encode() for parts in (("pypi", "org"), ("files", "pythonhosted", "org"))]
    hosts += [f"{name}.maven".encode() for name in ("repo", "repo1")]
    found = [named(path) for path in committed() if any(host in path.read_bytes() for host in hosts)]

    assert found == []


# --- how long code may be ---


@pytest.mark.parametrize("path", files(*PRODUCT), ids=named)
def test_a_product_file_has_at_most_250_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 250


@pytest.mark.parametrize("path", files(*PRODUCT), ids=named)
def test_a_function_has_at_most_40_lines(path: Path) -> None:
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
