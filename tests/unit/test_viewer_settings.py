"""The settings of the viewer."""

import sys

import pytest

from agent_runs.errors import SettingsError
from agent_runs.settings import variables
from agent_runs.unknown_variables import SERVICE_VARIABLES, VIEWER_VARIABLES
from viewer.command import main
from viewer.settings import ViewerSettings, is_loopback, read_kafka_config, read_viewer_settings

DATABASE = {"DATABASE_URL": "postgresql://u@h/d"}


def problems(**environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read_viewer_settings(DATABASE | environ)
    return caught.value.problems


def test_the_library_knows_the_names_of_the_viewer_s_settings() -> None:
    assert variables(ViewerSettings) - SERVICE_VARIABLES == VIEWER_VARIABLES


def test_it_listens_on_the_loopback_address_without_a_token() -> None:
    settings = read_viewer_settings(DATABASE | {"AGENT_RUNS_LANES": "2", "AGENT_RUNS_ENABLED": "0"})

    assert (settings.host, settings.port, settings.token, settings.timeout_s) == ("127.0.0.1", 8020, None, 10.0)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", "127.0.0.1.example.org"])
def test_listening_for_other_machines_without_a_token_is_refused(host: str) -> None:
    (problem,) = problems(AGENT_RUNS_VIEWER_HOST=host)

    assert problem.startswith("AGENT_RUNS_VIEWER_TOKEN: is not set")


def test_listening_for_other_machines_with_a_token_is_accepted_and_the_token_is_not_shown() -> None:
    token = "open-sesame-open-sesame"
    settings = read_viewer_settings(DATABASE | {"AGENT_RUNS_VIEWER_HOST": "::", "AGENT_RUNS_VIEWER_TOKEN": token})

    assert settings.token == token
    assert token not in repr(settings)


@pytest.mark.parametrize("token", ["short", "a" * 15, "a\tb" * 10])
def test_a_token_that_can_be_guessed_or_typed_wrongly_is_refused_without_being_shown(token: str) -> None:
    (problem,) = problems(AGENT_RUNS_VIEWER_TOKEN=token)

    assert "at least 16 characters" in problem
    assert token not in problem


def test_a_header_that_names_the_user_does_not_replace_the_token_for_other_machines() -> None:
    (problem,) = problems(AGENT_RUNS_VIEWER_HOST="0.0.0.0", AGENT_RUNS_VIEWER_USER_HEADER="X-User")

    assert problem.startswith("AGENT_RUNS_VIEWER_TOKEN: is not set")


@pytest.mark.parametrize(
    ("variable", "text"),
    [("AGENT_RUNS_VIEWER_USER_HEADER", "X User"), ("AGENT_RUNS_VIEWER_ALLOWED_HOSTS", "http://a/")],
)
def test_what_is_not_a_header_or_a_host_is_refused(variable: str, text: str) -> None:
    (problem,) = problems(**{variable: text})

    assert problem.startswith(f"{variable}: ")


def test_without_the_address_of_kafka_nothing_is_published_and_its_settings_are_checked() -> None:
    assert read_kafka_config(DATABASE | {"AGENT_RUNS_TOPIC": "t"}) is None
    config = read_kafka_config(DATABASE | {"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092"})
    assert config is not None
    assert (config.emitter.topic, config.emitter.request_timeout_s) == ("run-events", 3.0)

    (problem,) = problems(KAFKA_BOOTSTRAP_SERVERS="kafka:9092", AGENT_RUNS_TOPIC="a/b")

    assert problem.startswith("AGENT_RUNS_TOPIC: ")


def test_every_problem_is_reported_once() -> None:
    found = problems(DATABASE_URL="", AGENT_RUNS_DATABASE_TIMEOUT_S="0", AGENT_RUNS_VIEWER_PROT="1")

    assert [problem.split(":")[0] for problem in found] == [
        "AGENT_RUNS_DATABASE_TIMEOUT_S",
        "DATABASE_URL",
        "AGENT_RUNS_VIEWER_PROT",
    ]
    assert "did you mean AGENT_RUNS_VIEWER_PORT?" in found[-1]


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.9.9.9", True), ("[::1]", True), ("localhost.evil.org", False), ("", False)],
)
def test_a_loopback_host_is_recognized(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(("argument", "code"), [("--port", 2), ("--help", 0)])
def test_the_viewer_has_no_arguments_but_help(
    argument: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["agent-runs-viewer", argument])

    with pytest.raises(SystemExit) as end:
        main()

    output = capsys.readouterr()
    assert end.value.code == code
    assert "AGENT_RUNS_VIEWER_PORT" in (output.err if code else output.out)
    assert ("error: '--port'" in output.err) == bool(code)
