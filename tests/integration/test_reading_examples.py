"""The examples in docs/reading.md and in the docstrings of the reader run as written."""

import inspect
import re
import textwrap
from collections.abc import Iterator

import pytest

from agent_runs.reader import Reader, RunSource, SyncReader
from tests.support.messages import event
from tests.support.paths import CHECKOUT
from tests.support.stored_runs import insert_run

CALL = {"model": "m", "system_prompt": "s", "user_prompt": "[]", "raw_response": "r"}
MESSAGES = [
    event("a"),
    event("b", "llm_called", **CALL),
    event("c", "tool_requested"),
    event("d", "llm_called", **CALL | {"user_prompt": '["more"]'}),
]


def of_page() -> str:
    """The blocks of docs/reading.md, one after the other: later ones use the imports of earlier ones."""
    page = (CHECKOUT / "docs" / "reading.md").read_text(encoding="utf-8")
    return "\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))


def of_docstrings() -> Iterator[tuple[str, str]]:
    """The section `Example` of each public class and method."""
    for kind in (Reader, RunSource, SyncReader):
        for name, member in [("", kind), *inspect.getmembers(kind, inspect.isfunction)]:
            docstring = inspect.getdoc(member) or ""
            if found := re.search(r"^Example:\n((?:    .*\n?|\n)+)", docstring, re.MULTILINE):
                yield f"{kind.__name__}.{name}".rstrip("."), textwrap.dedent(found[1])


async def run(code: str, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run an example on a database with one run."""
    await insert_run(database, "run-1", 0, MESSAGES, agent="scheduler", status="failed")
    monkeypatch.setenv("DATABASE_URL", database)
    names: dict[str, object] = {}
    exec(f"async def example():\n{textwrap.indent(code, '    ')}", names)
    await names["example"]()  # type: ignore[operator]


async def test_the_page_on_reading_runs_as_written(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await run(of_page(), database, monkeypatch)

    assert "scheduler" in capsys.readouterr().out


@pytest.mark.parametrize("code", [pytest.param(code, id=name) for name, code in of_docstrings()])
async def test_an_example_in_a_docstring_runs_as_written(
    code: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(code, database, monkeypatch)


def test_the_main_classes_and_functions_have_examples() -> None:
    assert {"Reader", "SyncReader", "RunSource.list_runs", "RunSource.get_tree", "RunSource.llm_calls"} <= dict(
        of_docstrings()
    ).keys()
