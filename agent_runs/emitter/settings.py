"""The settings of the emitter, in addition to those of every Kafka client."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypedDict

from msgspec import Struct
from msgspec.structs import fields

from agent_runs.errors import SettingsError
from agent_runs.settings import (
    DEFAULT_MAX_EVENT_BYTES,
    DEFAULT_TOPIC,
    MAX_EVENT_BYTES_LIMIT,
    TOPIC_PATTERN,
    KafkaSettings,
    allowed_numbers,
    env,
    invalid_fields,
    read_sections,
    read_settings,
    variable_of,
    variables,
)
from agent_runs.unknown_variables import SERVICE_VARIABLES, VIEWER_VARIABLES, unknown_variables

_MAX_TIMEOUT_S = 86_400


class EmitterSettings(Struct, frozen=True, kw_only=True):
    """The topic, the bounds of events and queue, and timeouts in seconds."""

    topic: Annotated[str, env("AGENT_RUNS_TOPIC", pattern=TOPIC_PATTERN)] = DEFAULT_TOPIC
    max_event_bytes: Annotated[int, env("AGENT_RUNS_MAX_EVENT_BYTES", ge=1024, le=MAX_EVENT_BYTES_LIMIT)] = (
        DEFAULT_MAX_EVENT_BYTES
    )
    # Bounds of the unacknowledged events. Further events are dropped, counted, and recorded in their run.
    queue_bytes: Annotated[int, env("AGENT_RUNS_QUEUE_BYTES", ge=65_536)] = 64 * 1024 * 1024
    queue_events: Annotated[int, env("AGENT_RUNS_QUEUE_EVENTS", ge=16)] = 100_000
    # A connection without an answer for this time is replaced by a new one.
    request_timeout_s: Annotated[float, env("AGENT_RUNS_REQUEST_TIMEOUT_S", gt=0, le=_MAX_TIMEOUT_S)] = 10.0
    # How long the end of the process may wait for pending events.
    exit_timeout_s: Annotated[float, env("AGENT_RUNS_EXIT_TIMEOUT_S", ge=0, le=_MAX_TIMEOUT_S)] = 5.0


class _Switch(Struct, frozen=True):
    enabled: Annotated[bool, env("AGENT_RUNS_ENABLED")] = True


EMITTER_VARIABLES: Final = variables(EmitterSettings) | variables(_Switch)

# The settings that have a default that works everywhere. The defaults of the others do not: events would be sent to
# another topic or broker, or although they must not be sent at all.
_TUNING: Final = ("max_event_bytes", "queue_bytes", "queue_events", "request_timeout_s", "exit_timeout_s")


class Options(TypedDict, total=False):
    """The settings as arguments of `Emitter`; they take precedence over the environment."""

    enabled: bool
    bootstrap_servers: str
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
    sasl_username: str | None
    sasl_password: str | None
    ssl_cafile: str | None
    ssl_certfile: str | None
    ssl_keyfile: str | None
    ssl_key_password: str | None
    topic: str
    max_event_bytes: int
    queue_bytes: int
    queue_events: int
    request_timeout_s: float
    exit_timeout_s: float


class Config(Struct, frozen=True, kw_only=True):
    """The settings of an emitter that is switched on.

    Attributes:
        ignored: one sentence for each setting that is not valid or not known, and was ignored.
    """

    kafka: KafkaSettings
    emitter: EmitterSettings
    ignored: list[str] = []


def read_config(environ: Mapping[str, str], overrides: Mapping[str, object]) -> Config | None:
    """Read the settings. Returns None if the emitter is switched off; then no other setting has to be valid.

    A number that is not valid, and a variable that begins with AGENT_RUNS_ and is not a setting, are ignored.

    Args:
        environ: the environment variables.
        overrides: settings by the names of `Options`; they take precedence.

    Raises:
        SettingsError: one or more other settings are missing, unknown or not valid; it has one sentence for each.
    """
    problems = [f"{name}: there is no such setting" for name in overrides if name not in Options.__annotations__]
    try:
        if not read_settings(_Switch, environ, overrides).enabled:
            return None
    except SettingsError as error:
        problems += error.problems
    defaults, ignored = _defaults_of_invalid(environ, overrides)
    ignored += unknown_variables(environ, EMITTER_VARIABLES | SERVICE_VARIABLES | VIEWER_VARIABLES)
    sections: dict[str, type[Struct]] = {"kafka": KafkaSettings, "emitter": EmitterSettings}
    try:
        loaded = read_sections(sections, environ, {**overrides, **defaults})
    except SettingsError as error:
        raise SettingsError(problems + error.problems + ignored) from None
    if problems:
        raise SettingsError(problems + ignored)
    return Config(**loaded, ignored=ignored)


def _defaults_of_invalid(
    environ: Mapping[str, str], overrides: Mapping[str, object]
) -> tuple[dict[str, object], list[str]]:
    """Return the defaults of the numbers that are not valid, and one sentence for each of these numbers."""
    invalid = invalid_fields(EmitterSettings, environ, overrides)
    defaults = {
        field.name: field.default
        for field in fields(EmitterSettings)
        if field.name in _TUNING and field.name in invalid
    }
    sentences = []
    for name, default in defaults.items():
        variable = variable_of(EmitterSettings, name)
        given = overrides[name] if name in overrides else environ.get(variable) or environ.get(f"{variable}_FILE")
        allowed = allowed_numbers(EmitterSettings, name)
        sentences.append(f"{invalid[name]}, got {given!r} (allowed: {allowed}), and the default {default} is used")
    return defaults, sentences
