"""The settings of the service, section by section."""

import pytest

from agent_runs.errors import SettingsError
from consumer.settings import read_config

REQUIRED = {"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092", "DATABASE_URL": "postgresql://db"}


def test_two_variables_are_required() -> None:
    config = read_config(REQUIRED)

    assert (config.kafka.bootstrap_servers, config.database.url) == ("kafka:9092", "postgresql://db")
    assert (config.topic.topic, config.topic.group, config.topic.max_event_bytes) == (
        "run-events",
        "agent-runs",
        16_777_216,
    )
    assert config.service.shutdown_timeout_s == 15.0


@pytest.mark.parametrize(
    ("variable", "text", "section", "field", "value"),
    [
        ("AGENT_RUNS_TOPIC", "t", "topic", "topic", "t"),
        ("AGENT_RUNS_GROUP", "g", "topic", "group", "g"),
        ("AGENT_RUNS_MAX_EVENT_BYTES", "1024", "topic", "max_event_bytes", 1024),
        ("AGENT_RUNS_SHUTDOWN_TIMEOUT_S", "0.5", "service", "shutdown_timeout_s", 0.5),
        ("AGENT_RUNS_GIVE_UP_S", "7", "service", "give_up_s", 7.0),
        ("AGENT_RUNS_LANES", "64", "ingest", "lanes", 64),
        ("AGENT_RUNS_HTTP_PORT", "8080", "service", "http_port", 8080),
        ("AGENT_RUNS_DATABASE_TIMEOUT_S", "3", "database", "timeout_s", 3.0),
    ],
)
def test_a_setting_is_read_from_its_variable(variable: str, text: str, section: str, field: str, value: object) -> None:
    assert getattr(getattr(read_config({**REQUIRED, variable: text}), section), field) == value


def test_the_problems_of_all_sections_are_reported_together() -> None:
    with pytest.raises(SettingsError) as caught:
        read_config({"AGENT_RUNS_LANES": "0", "AGENT_RUNS_HTTP_PORT": "99999", "AGENT_RUNS_MAX_EVENT_BYTES": "1"})

    assert {problem.partition(":")[0] for problem in caught.value.problems} == {
        "KAFKA_BOOTSTRAP_SERVERS",
        "DATABASE_URL",
        "AGENT_RUNS_LANES",
        "AGENT_RUNS_HTTP_PORT",
        "AGENT_RUNS_MAX_EVENT_BYTES",
    }


def test_only_the_named_sections_are_read() -> None:
    config = read_config({"DATABASE_URL": "postgresql://db", "AGENT_RUNS_LANES": "0"}, "database", "service")

    assert config.database.url == "postgresql://db"
    assert config.service.give_up_s == 60.0
    assert config.kafka is None, "not read"


@pytest.mark.parametrize(
    ("variable", "text", "rule"),
    [
        ("AGENT_RUNS_SCHEMA", "information_schema", "other than PostgreSQL's own schemas"),
        ("AGENT_RUNS_SCHEMA", "pg_catalog", "other than PostgreSQL's own schemas"),
        ("AGENT_RUNS_SCHEMA", '"runs"', "at most 63 lower-case letters, digits and underscores"),
        ("AGENT_RUNS_TOPIC", ".", "other than"),
        ("AGENT_RUNS_TOPIC", "..", "other than"),
        ("AGENT_RUNS_TOPIC", "__consumer_offsets", "other than"),
        ("AGENT_RUNS_TOPIC", "run-events\n", "at most 249 letters, digits, dots, hyphens and underscores"),
    ],
)
def test_a_name_that_kafka_or_postgresql_refuses_is_refused_with_the_rule(variable: str, text: str, rule: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_config({**REQUIRED, variable: text})

    (problem,) = caught.value.problems
    assert problem.startswith(f"{variable}: must be a name")
    assert rule in problem


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("AGENT_RUNS_SCHEMA", "pgvector"),
        ("AGENT_RUNS_SCHEMA", "information_schema_2"),
        ("AGENT_RUNS_TOPIC", "..."),
        ("AGENT_RUNS_TOPIC", "__consumer_offsets.copy"),
    ],
)
def test_a_name_that_only_resembles_a_refused_one_is_accepted(variable: str, text: str) -> None:
    read_config({**REQUIRED, variable: text})


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("AGENT_RUNS_MAX_EVENT_BYTES", str(2**30 + 1)),
        ("AGENT_RUNS_FETCH_BYTES", str(2**31)),
        ("AGENT_RUNS_BREAKER_RECORDS", str(2**31)),
        ("AGENT_RUNS_GROUP", "g" * 8192),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka..example:9092"),
        ("KAFKA_BOOTSTRAP_SERVERS", f"{'k' * 64}.example:9092"),
        ("DATABASE_URL", "postgresql://db..example/runs"),
        ("DATABASE_URL", f"postgresql://{'d' * 64}.example/runs"),
    ],
)
def test_a_value_that_cannot_work_is_refused(variable: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_config({**REQUIRED, variable: text})

    (problem,) = caught.value.problems
    assert problem.startswith(f"{variable}: ")
