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

PURE = [
    "agent_runs.signal_safety",
    "agent_runs.codec.decode",
    "agent_runs.codec.encode",
    "agent_runs.errors",
    "agent_runs.events",
    "agent_runs.ids",
    "agent_runs.json_schema",
    "agent_runs.codec.scan",
    "agent_runs.escaping",
    "agent_runs.codec.lossy_json",
    "agent_runs.status",
    "consumer.model.batches",
    "consumer.model.claims",
    "consumer.postgres.copy_format",
    "consumer.ingest.decoding",
    "consumer.errors",
    "agent_runs.sql",
    "consumer.model.records",
    "consumer.ingest.sequencing",
    "consumer.postgres.sqlstate",
]
ONLY_IMPORTERS = {
    "asyncpg": {"consumer/postgres/store.py", "agent_runs/reader.py"},
    "aiokafka": {
        "consumer/kafka/topic_reader.py",
        "consumer/kafka/group_consumer.py",
        "consumer/kafka/topic_admin.py",
        "agent_runs/emitter/producer.py",
        "agent_runs/replay.py",
    },
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
            yield node.module or "."


def packages(path: Path) -> set[str]:
    return {module.partition(".")[0] for module in imports(path)}


# --- who may import whom ---


@pytest.mark.parametrize("path", files("agent_runs"), ids=named)
def test_the_library_knows_nothing_of_the_service(path: Path) -> None:
    assert packages(path).isdisjoint({"consumer", "deploy", "examples", "tests", "."})


@pytest.mark.parametrize("path", files("consumer"), ids=named)
def test_the_service_knows_nothing_of_what_is_around_it(path: Path) -> None:
    assert packages(path).isdisjoint({"deploy", "examples", "tests", "."})


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_imports_the_standard_library_msgspec_and_its_like(module: str) -> None:
    allowed = {*PURE, "msgspec"}
    found = set(imports(ROOT / f"{module.replace('.', '/')}.py"))

    assert {
        name for name in found if name not in allowed and name.partition(".")[0] not in sys.stdlib_module_names
    } == set()


@pytest.mark.parametrize("client", ["asyncpg", "aiokafka"])
def test_a_client_is_imported_only_at_its_edge(client: str) -> None:
    importers = {named(path) for path in files("agent_runs", "consumer") if client in packages(path)}

    assert importers <= ONLY_IMPORTERS[client]
    assert importers, "or this test looks in the wrong place"


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
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


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
