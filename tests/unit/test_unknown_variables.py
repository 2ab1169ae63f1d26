"""A misspelt setting is found; variables that others set are not taken for one."""

import pytest
from msgspec.structs import fields

from agent_runs.errors import SettingsError
from agent_runs.settings import variables
from agent_runs.unknown_variables import SERVICE_VARIABLES
from consumer.settings import Config, read_config

REQUIRED = {"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092", "DATABASE_URL": "postgresql://ada@db"}


def problems(**variables: str) -> list[str]:
    try:
        read_config({**REQUIRED, **variables})
    except SettingsError as error:
        return error.problems
    return []


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("AGENT_RUNS_LANE", "AGENT_RUNS_LANES"),
        ("AGENT_RUNS_BATCH_RECORD", "AGENT_RUNS_BATCH_RECORDS"),
        ("AGENT_RUNS_TOPC", "AGENT_RUNS_TOPIC"),
        ("AGENT_RUNS_SESSION_TIMEOUT", "AGENT_RUNS_SESSION_TIMEOUT_S"),
        ("AGENT_RUNS_GROUP_FIEL", "AGENT_RUNS_GROUP_FILE"),
        ("AGENT_RUNS_ENABLE", "AGENT_RUNS_ENABLED"),
    ],
)
def test_a_misspelt_setting_is_named_with_the_nearest_one_and_without_its_value(misspelt: str, meant: str) -> None:
    assert problems(**{misspelt: "x-value"}) == [f"{misspelt}: there is no such setting; did you mean {meant}?"]


def test_a_name_like_no_setting_is_refused_too() -> None:
    assert problems(AGENT_RUNS_XYZZY="1") == [
        "AGENT_RUNS_XYZZY: there is no such setting; docs/operating.md lists the settings"
    ]


def test_all_problems_are_reported_at_once() -> None:
    found = problems(AGENT_RUNS_LANE="1", AGENT_RUNS_BREAKER_SHARE="2", DATABASE_URL="db")

    assert {problem.partition(":")[0] for problem in found} == {
        "AGENT_RUNS_LANE",
        "AGENT_RUNS_BREAKER_SHARE",
        "DATABASE_URL",
    }


def test_it_is_found_by_commands_that_read_some_of_the_sections() -> None:
    with pytest.raises(SettingsError):
        read_config({**REQUIRED, "AGENT_RUNS_LANE": "1"}, "kafka", "topic")


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("AGENT_RUNS_QUEUE_BYTES", "65536"),
        ("AGENT_RUNS_ENABLED", "0"),
        ("AGENT_RUNS_CACHE", "/cache"),
        ("AGENT_RUNS_TEST_SEED", "7"),
        ("AGENT_RUNS_LANE", ""),
        # Service `agent-runs`:
        ("AGENT_RUNS_SERVICE_HOST", "10.0.0.1"),
        ("AGENT_RUNS_SERVICE_PORT", "8000"),
        ("AGENT_RUNS_SERVICE_PORT_HTTP", "8000"),
        ("AGENT_RUNS_PORT", "tcp://10.0.0.1:8000"),
        ("AGENT_RUNS_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("AGENT_RUNS_PORT_8000_TCP_PROTO", "tcp"),
        ("AGENT_RUNS_PORT_8000_TCP_PORT", "8000"),
        ("AGENT_RUNS_PORT_8000_TCP_ADDR", "10.0.0.1"),
        # Service `agent-runs-metrics`:
        ("AGENT_RUNS_METRICS_SERVICE_HOST", "10.0.0.1"),
        ("AGENT_RUNS_METRICS_PORT", "udp://10.0.0.1:8000"),
        ("AGENT_RUNS_METRICS_PORT_8000_UDP_ADDR", "10.0.0.1"),
    ],
)
def test_settings_of_the_emitter_and_variables_of_kubernetes_are_accepted(variable: str, text: str) -> None:
    assert problems(**{variable: text}) == []


def test_a_port_that_kubernetes_sets_in_place_of_a_setting_is_explained() -> None:
    (problem,) = problems(AGENT_RUNS_HTTP_PORT="tcp://10.0.0.1:8000")

    assert problem.startswith("AGENT_RUNS_HTTP_PORT: ")
    assert "enableServiceLinks: false" in problem


def test_a_port_that_a_person_sets_is_not_taken_for_one_of_kubernetes() -> None:
    assert len(problems(AGENT_RUNS_PORT="8000")) == 1


def test_the_library_knows_the_names_of_the_service_s_settings() -> None:
    names = {name for field in fields(Config) for name in variables(field.type)}

    assert {name for name in names if name.startswith("AGENT_RUNS_")} == SERVICE_VARIABLES
