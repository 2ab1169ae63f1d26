"""The pages for users name every setting with its default, every metric, every log action, and what a reader can do."""

import re
from inspect import isroutine
from typing import Any

import msgspec
import pytest

from agent_runs.emitter.settings import EmitterSettings
from agent_runs.reader import Reader
from agent_runs.settings import KafkaSettings, variable_of
from consumer.settings import DatabaseConfig, IngestConfig, ServiceConfig, TopicConfig
from tests.support.paths import CHECKOUT
from tests.support.source_files import python_files
from viewer.app import _ROUTES
from viewer.settings import ViewerSettings


def page(name: str) -> str:
    return (CHECKOUT / "docs" / name).read_text(encoding="utf-8")


def section(name: str, heading: str) -> str:
    return page(name).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def source(folder: str) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in python_files(folder))


def documented_defaults(name: str) -> dict[str, str]:
    """The second cell of each variable's row: a row has one default for each of its variables, or one for all."""
    defaults: dict[str, str] = {}
    for variables, default in re.findall(r"^\| (`[A-Z_`, …]+`) \| ([^|]*)\|", page(name), re.MULTILINE):
        names = re.findall(r"`([A-Z_]+)`", variables)
        values = [value.strip(" `") for value in default.split(",")]
        defaults |= dict(zip(names, values if len(values) == len(names) else values[:1] * len(names), strict=True))
    return defaults


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("operating.md", KafkaSettings),
        ("operating.md", TopicConfig),
        ("operating.md", DatabaseConfig),
        ("operating.md", IngestConfig),
        ("operating.md", ServiceConfig),
        ("emitting.md", EmitterSettings),
        ("viewer.md", ViewerSettings),
    ],
)
def test_every_setting_is_documented_with_its_default(name: str, settings: type[Any]) -> None:
    documented = documented_defaults(name)
    fields = {variable_of(settings, field.name): field.default for field in msgspec.structs.fields(settings)}

    assert set(fields) - set(documented) == set()
    numbers = {variable: default for variable, default in fields.items() if isinstance(default, int | float)}
    assert {variable: float(documented[variable]) for variable in numbers} == numbers


def test_every_metric_is_documented() -> None:
    metrics = re.findall(r'"(agent_runs_\w+)"', source("consumer/telemetry"))

    assert len(metrics) > 10
    assert [metric for metric in metrics if not re.search(rf"`{metric}(_total)?[`{{]", page("operating.md"))] == []


def test_every_action_of_a_log_line_is_documented_and_no_other() -> None:
    logged = set(re.findall(r'action="(\w+)"', source("consumer")))
    rows = re.findall(r"^\| (`[^|]+`) \|", section("operating.md", "Log lines"), re.MULTILINE)
    documented = {action for row in rows for action in re.findall(r"`(\w+)`", row)} - {"action"}

    assert logged - documented == set()
    assert [action for action in documented - logged if f'"{action}"' not in source("consumer")] == []


def test_every_function_of_the_reader_is_documented() -> None:
    functions = {name for name in dir(Reader) if not name.startswith("_") and isroutine(getattr(Reader, name))}
    documented = set(re.findall(r"`(\w+)[(`]", section("reading.md", "Functions")))

    assert functions - documented == {"close", "related_runs"}


def test_every_address_of_the_api_is_documented() -> None:
    def without_names(address: str) -> str:
        return re.sub(r"\{\w+\}", "{}", address)

    documented = {without_names(address) for address in re.findall(r"`(?:POST )?(/api/[^`]*)`", page("viewer.md"))}
    addresses = {without_names(route.path) for route in _ROUTES if route.path.startswith("/api/")}

    assert len(addresses) > 10
    assert addresses - documented == set()
