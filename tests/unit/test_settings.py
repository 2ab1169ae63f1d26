"""Settings are read from a mapping, and all problems are reported at once."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from msgspec import Struct

from agent_runs.errors import SettingsError
from agent_runs.settings import KafkaSettings, env, read_settings


class Sample(Struct, frozen=True, kw_only=True):
    """Settings with one field of each kind."""

    url: Annotated[str, env("SAMPLE_URL", min_length=1)]
    name: Annotated[str, env("SAMPLE_NAME", min_length=2)]
    lanes: Annotated[int, env("SAMPLE_LANES", ge=1, le=64)] = 2
    wait_s: Annotated[float, env("SAMPLE_WAIT_S", gt=0)] = 1.5
    kind: Annotated[Literal["one", "two"], env("SAMPLE_KIND")] = "one"
    secret: Annotated[str | None, env("SAMPLE_SECRET")] = None


NO_SERVERS = "KAFKA_BOOTSTRAP_SERVERS: must be host[:port][,host[:port]…] without a scheme, got"
RIGHT = {"SAMPLE_URL": "u", "SAMPLE_NAME": "me"}


def problems(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read_settings(Sample, environ)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def test_a_variable_that_is_not_set_has_its_default() -> None:
    assert read_settings(Sample, RIGHT) == Sample(url="u", name="me")


def test_a_variable_is_converted_to_the_type_of_its_field() -> None:
    environ = {
        **RIGHT,
        "SAMPLE_LANES": "7",
        "SAMPLE_WAIT_S": "2",
        "SAMPLE_KIND": "two",
        "SAMPLE_SECRET": " s ",
        "X": "?",
    }

    assert read_settings(Sample, environ) == Sample(url="u", name="me", lanes=7, wait_s=2.0, kind="two", secret=" s ")


@pytest.mark.parametrize("variable", ["SAMPLE_LANES", "SAMPLE_WAIT_S", "SAMPLE_KIND", "SAMPLE_SECRET"])
def test_an_empty_variable_counts_as_not_set(variable: str) -> None:
    assert read_settings(Sample, {**RIGHT, variable: ""}) == Sample(url="u", name="me")


def test_all_problems_are_reported_at_once_each_with_its_variable() -> None:
    found = problems({"SAMPLE_NAME": "x", "SAMPLE_LANES": "65", "SAMPLE_WAIT_S": "soon", "SAMPLE_KIND": "three"})

    assert [problem.partition(":")[0] for problem in found] == [
        "SAMPLE_NAME",
        "SAMPLE_LANES",
        "SAMPLE_WAIT_S",
        "SAMPLE_KIND",
        "SAMPLE_URL",
    ]
    assert found[-1] == "SAMPLE_URL: is not set"


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("SAMPLE_LANES", "0"),
        ("SAMPLE_LANES", "1.5"),
        ("SAMPLE_LANES", "many"),
        ("SAMPLE_WAIT_S", "0"),
        ("SAMPLE_WAIT_S", "-1"),
        ("SAMPLE_WAIT_S", "nan"),
        ("SAMPLE_WAIT_S", "1s"),
        ("SAMPLE_KIND", "ONE"),
    ],
)
def test_the_problem_of_an_invalid_value_begins_with_its_variable(variable: str, text: str) -> None:
    (problem,) = problems({**RIGHT, variable: text})

    assert problem.startswith(f"{variable}: ")


def test_a_value_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("pässword\n", encoding="utf-8")

    assert read_settings(Sample, {**RIGHT, "SAMPLE_SECRET_FILE": str(tmp_path / "secret")}).secret == "pässword"


def test_a_required_setting_may_be_in_a_file_too(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("u")

    assert read_settings(Sample, {"SAMPLE_NAME": "me", "SAMPLE_URL_FILE": str(tmp_path / "url")}).url == "u"


def test_a_variable_and_its_file_cannot_both_be_set(tmp_path: Path) -> None:
    (problem,) = problems({**RIGHT, "SAMPLE_SECRET": "s", "SAMPLE_SECRET_FILE": str(tmp_path / "secret")})

    assert problem == "SAMPLE_SECRET: is set, and so is SAMPLE_SECRET_FILE: set only one of them"


def test_a_file_may_be_set_beside_an_empty_variable(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")

    environ = {**RIGHT, "SAMPLE_SECRET": "", "SAMPLE_SECRET_FILE": str(tmp_path / "secret")}
    assert read_settings(Sample, environ).secret == "s"


def test_the_problem_of_an_unreadable_file_names_the_file(tmp_path: Path) -> None:
    (problem,) = problems({**RIGHT, "SAMPLE_SECRET_FILE": str(tmp_path / "nowhere")})

    assert problem.startswith("SAMPLE_SECRET: ")
    assert "nowhere" in problem


def test_a_file_that_is_not_utf_8_is_reported_as_a_problem(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xff\xfe")

    (problem,) = problems({**RIGHT, "SAMPLE_SECRET_FILE": str(tmp_path / "secret")})

    assert problem.startswith("SAMPLE_SECRET: ")


def test_a_secret_in_the_variable_of_its_file_is_not_shown() -> None:
    (problem,) = problems({**RIGHT, "SAMPLE_SECRET_FILE": "S3cret"})

    assert "SAMPLE_SECRET_FILE" in problem
    assert "S3cret" not in problem


def test_a_value_that_is_not_utf_8_is_reported_and_not_shown() -> None:
    (problem,) = problems({**RIGHT, "SAMPLE_SECRET": "S3cret\udcff"})

    assert problem == "SAMPLE_SECRET: is not UTF-8 text"


def test_a_problem_does_not_show_the_value() -> None:
    (problem,) = problems({**RIGHT, "SAMPLE_NAME": "s"})

    assert "'s'" not in problem


def test_the_problem_lists_the_allowed_values_of_an_enumeration() -> None:
    (problem,) = problems({**RIGHT, "SAMPLE_KIND": "three"})

    assert problem == "SAMPLE_KIND: Invalid enum value 'three'; allowed: one, two"


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        (
            {"KAFKA_BOOTSTRAP_SERVERS": "http://a:1,b:2"},
            [f"{NO_SERVERS} 'http://a:1'"],
        ),
        (
            {"KAFKA_BOOTSTRAP_SERVERS": "a:1,,"},
            [f"{NO_SERVERS} ''"] * 2,
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_USERNAME": "me", "KAFKA_SSL_CAFILE": "/no/where"},
            [
                "KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD: KAFKA_SECURITY_PROTOCOL=SASL_SSL needs both",
                "KAFKA_SSL_CAFILE: file '/no/where' does not exist",
            ],
        ),
        (
            {"KAFKA_BOOTSTRAP_SERVERS": "a", "KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_KEYFILE": __file__},
            ["KAFKA_SSL_CERTFILE: is not set, and KAFKA_SSL_KEYFILE is: set both, or none"],
        ),
    ],
)
def test_conflicting_settings_are_reported(environ: dict[str, str], found: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(KafkaSettings, {"KAFKA_BOOTSTRAP_SERVERS": "a:1", **environ})

    assert caught.value.problems == found


def test_bootstrap_servers_with_a_password_are_refused_without_showing_it() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(KafkaSettings, {"KAFKA_BOOTSTRAP_SERVERS": "kafka://ada:S3cret@b:1"})

    (problem,) = caught.value.problems
    assert "S3cret" not in problem
    assert "KAFKA_SASL_USERNAME" in problem


def test_a_certificate_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    environ = {"KAFKA_BOOTSTRAP_SERVERS": "a:1", "KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CAFILE": str(tmp_path)}
    with pytest.raises(SettingsError) as caught:
        read_settings(KafkaSettings, environ)

    assert caught.value.problems == [f"KAFKA_SSL_CAFILE: file {str(tmp_path)!r} cannot be read: Is a directory"]


def test_the_password_is_not_shown_with_the_settings() -> None:
    shown = repr(KafkaSettings(bootstrap_servers="a:1", sasl_username="ada", sasl_password="S3cret"))

    assert "S3cret" not in shown
    assert "sasl_username='ada'" in shown


def test_certificate_files_are_checked_only_when_tls_is_on() -> None:
    environ = {"KAFKA_BOOTSTRAP_SERVERS": "a:1, b:2", "KAFKA_SSL_CAFILE": "/no/where"}

    assert read_settings(KafkaSettings, environ).ssl_cafile == "/no/where"


def test_only_the_bootstrap_servers_are_required() -> None:
    settings = read_settings(KafkaSettings, {"KAFKA_BOOTSTRAP_SERVERS": "a:9092,b:9092"})

    assert settings == KafkaSettings(bootstrap_servers="a:9092,b:9092")
    assert (settings.security_protocol, settings.sasl_mechanism) == ("PLAINTEXT", "PLAIN")


def test_every_kafka_variable_sets_its_field(tmp_path: Path) -> None:
    for name in ("ca", "cert", "key"):
        (tmp_path / name).touch()
    names = {
        "KAFKA_BOOTSTRAP_SERVERS": "h",
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SASL_USERNAME": "u",
        "KAFKA_SASL_PASSWORD": "p",
        "KAFKA_SSL_CAFILE": f"{tmp_path}/ca",
        "KAFKA_SSL_CERTFILE": f"{tmp_path}/cert",
        "KAFKA_SSL_KEYFILE": f"{tmp_path}/key",
        "KAFKA_SSL_KEY_PASSWORD": "k",
    }

    assert read_settings(KafkaSettings, names) == KafkaSettings(
        bootstrap_servers="h",
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="u",
        sasl_password="p",
        ssl_cafile=f"{tmp_path}/ca",
        ssl_certfile=f"{tmp_path}/cert",
        ssl_keyfile=f"{tmp_path}/key",
        ssl_key_password="k",
    )
