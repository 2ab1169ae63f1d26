"""The settings of the emitter: none of them raises."""

import logging
from inspect import signature
from typing import Any, get_type_hints

import pytest

from agent_runs import Emitter
from agent_runs.emitter.settings import EmitterSettings, Options, read_config
from agent_runs.emitter.stats import Stats
from agent_runs.settings import KafkaSettings
from agent_runs.testing import RecordingEmitter
from agent_runs.unknown_variables import SERVICE_VARIABLES

pytestmark = pytest.mark.usefixtures("own_logs")
NO_EVENTS = Stats(emitted=0, sent=0, pending=0, dropped={}, recorded=0)


def test_without_settings_nothing_raises_and_every_event_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    emitter = Emitter(environ={})
    run = emitter.start_run(agent_id="a")

    assert run.run_completed()
    assert emitter.stats() == Stats(emitted=2, sent=0, pending=0, dropped={"not_configured": 2}, recorded=0)
    assert emitter.flush() == emitter.close() == 0
    # The emitter of a test before this one may still warn.
    assert [record.levelname for record in caplog.records if record.levelname != "WARNING"] == ["ERROR"]
    assert "KAFKA_BOOTSTRAP_SERVERS: is not set" in caplog.text
    assert "AGENT_RUNS_ENABLED=0" in caplog.text


@pytest.mark.parametrize(
    ("environ", "options", "problem"),
    [
        ({"AGENT_RUNS_ENABLED": "perhaps"}, {}, "AGENT_RUNS_ENABLED: "),
        ({}, {"topic": 5}, "topic: Expected `str`, got `int`"),
        ({}, {"bootstrap_server": "typo"}, "bootstrap_server: there is no such setting"),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CAFILE": "/no"},
            {},
            "KAFKA_SSL_CAFILE: file '/no' does not exist",
        ),
        ({"AGENT_RUNS_ENABLED": "?", "AGENT_RUNS_TOPIC": "t"}, {"topic": 1}, "topic: Expected `str`, got `int`"),
    ],
)
def test_invalid_settings_are_logged_by_name(
    environ: dict[str, str], options: dict[str, Any], problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    emitter = Emitter(environ={"KAFKA_BOOTSTRAP_SERVERS": "localhost:1", **environ}, **options)
    emitter.run("r").run_completed()

    assert problem in caplog.text
    assert emitter.stats().dropped == {"not_configured": 1}


@pytest.mark.parametrize(
    ("environ", "options", "sentence"),
    [
        (
            {"AGENT_RUNS_QUEUE_BYTES": "lots"},
            {},
            "AGENT_RUNS_QUEUE_BYTES: Expected `int`, got `str`, got 'lots' (allowed: at least 65536), "
            "and the default 67108864 is used",
        ),
        (
            {},
            {"queue_events": 1},
            "queue_events: Expected `int` >= 16, got 1 (allowed: at least 16), and the default 100000 is used",
        ),
        (
            {"AGENT_RUNS_REQUEST_TIMEOUT_S": "0"},
            {},
            "AGENT_RUNS_REQUEST_TIMEOUT_S: Expected `float` > 0.0, got '0' (allowed: more than 0 and at most 86400), "
            "and the default 10.0 is used",
        ),
        (
            {"AGENT_RUNS_EXIT_TIMEOUT": "1"},
            {},
            "AGENT_RUNS_EXIT_TIMEOUT: there is no such setting; did you mean AGENT_RUNS_EXIT_TIMEOUT_S?",
        ),
    ],
)
def test_a_number_or_name_that_is_not_valid_costs_one_error_and_no_event(
    environ: dict[str, str], options: dict[str, Any], sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    emitter = Emitter(environ={"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", **environ}, **{"exit_timeout_s": 0, **options})
    emitter.run("r").run_completed()

    assert emitter.stats() == Stats(emitted=1, sent=0, pending=1, dropped={}, recorded=0)
    emitter.close(0)
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert errors == [f"Some of the emitter's settings are ignored; events are sent all the same: {sentence}"]


def test_an_ignored_number_has_its_default() -> None:
    environ = {"KAFKA_BOOTSTRAP_SERVERS": "h", "AGENT_RUNS_QUEUE_BYTES": "1", "AGENT_RUNS_QUEUE_EVENTS": "17"}
    config = read_config(environ, {"exit_timeout_s": -1})

    assert config is not None
    assert config.emitter == EmitterSettings(queue_events=17)
    assert len(config.ignored) == 2


def test_the_settings_of_the_service_and_of_other_programs_are_not_unknown_to_the_emitter() -> None:
    environ = dict.fromkeys(SERVICE_VARIABLES, "1") | {"AGENT_RUNS_CACHE": "/c", "AGENT_RUNS_LANES_FILE": "/f"}
    config = read_config({"KAFKA_BOOTSTRAP_SERVERS": "h", **environ, "AGENT_RUNS_TOPIC": "t"}, {})

    assert config is not None
    assert [sentence for sentence in config.ignored if "no such setting" in sentence] == []


def test_a_positional_argument_is_logged_and_does_not_raise(caplog: pytest.LogCaptureFixture) -> None:
    emitter = Emitter("localhost:1", environ={})  # type: ignore[arg-type]
    emitter.run("r").run_completed()

    assert emitter.stats().dropped == {"not_configured": 1}
    assert "'localhost:1': there is no such setting" in caplog.text


def test_no_signature_shows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_RUNS_TEST_SECRET", "open sesame")

    assert "open sesame" not in f"{signature(Emitter)} {signature(RecordingEmitter)}"


def test_an_emitter_logs_at_its_start_where_content_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    Emitter(environ={"KAFKA_BOOTSTRAP_SERVERS": "from.environ:1"}, bootstrap_servers="given:2", topic="mine")

    (record,) = caplog.records
    assert record.getMessage() == "Events of runs, with prompts and responses, are sent to Kafka at given:2, topic mine"


@pytest.mark.parametrize("switch", ["0", "false"])
def test_a_disabled_emitter_does_nothing_and_returns_ids(switch: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    emitter = Emitter(environ={"AGENT_RUNS_ENABLED": switch, "AGENT_RUNS_QUEUE_BYTES": "lots"})
    with emitter.start_run(agent_id="a") as run, run.tool("t") as call:
        call.result = run.child(agent_id="b").id
        ids = {run.input("t"), run.input(), run.run_waiting()}  # type: ignore[call-arg]

    assert len(ids) == 3
    assert all(len(event_id) == 12 for event_id in ids)
    assert emitter.stats() == NO_EVENTS
    assert emitter.flush() == emitter.close() == 0
    assert [record.getMessage() for record in caplog.records] == ["Agent Runs is switched off: no event is sent"]


def test_every_setting_can_be_given_as_an_argument() -> None:
    switch = {"enabled": bool}
    settings = get_type_hints(KafkaSettings) | get_type_hints(EmitterSettings)

    assert set(Options.__annotations__) == set(settings) | set(switch)
    for name, kind in get_type_hints(Options).items():
        assert kind == {**settings, **switch}[name], name
