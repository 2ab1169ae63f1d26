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
