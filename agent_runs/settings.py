"""Settings, read once from a mapping (usually `os.environ`) that is passed in.

A settings struct names the variable of each field: `topic: Annotated[str, env("AGENT_RUNS_TOPIC")]`. A secret may also
stand in a file, named by the variable with `_FILE` behind it.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from agent_runs.errors import SettingsError

DEFAULT_TOPIC: Final = "run-events"
DEFAULT_MAX_EVENT_BYTES: Final = 16 * 1024 * 1024

_Settings = TypeVar("_Settings", bound=msgspec.Struct)


def env(variable: str, **limits: Any) -> msgspec.Meta:
    """The variable that a field is read from; `limits` are msgspec's (`ge`, `min_length`, …)."""
    return msgspec.Meta(extra={"variable": variable}, **limits)


class KafkaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach Kafka, for producers and consumers alike."""

    bootstrap_servers: Annotated[str, env("KAFKA_BOOTSTRAP_SERVERS", min_length=1)]
    security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"], env("KAFKA_SECURITY_PROTOCOL")
    ] = "PLAINTEXT"
    sasl_mechanism: Annotated[Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], env("KAFKA_SASL_MECHANISM")] = "PLAIN"
    sasl_username: Annotated[str | None, env("KAFKA_SASL_USERNAME")] = None
    sasl_password: Annotated[str | None, env("KAFKA_SASL_PASSWORD")] = None
    ssl_cafile: Annotated[str | None, env("KAFKA_SSL_CAFILE")] = None
    ssl_certfile: Annotated[str | None, env("KAFKA_SSL_CERTFILE")] = None
    ssl_keyfile: Annotated[str | None, env("KAFKA_SSL_KEYFILE")] = None

    def conflicts(self) -> list[str]:
        """What no single setting shows."""
        found = [
            f"KAFKA_BOOTSTRAP_SERVERS: host:port[,host:port…] is expected, got {server!r}"
            for server in self.bootstrap_servers.split(",")
            if not server.strip() or "://" in server
        ]
        if self.security_protocol.startswith("SASL") and not (self.sasl_username and self.sasl_password):
            found.append(
                f"KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD: KAFKA_SECURITY_PROTOCOL={self.security_protocol} needs both"
            )
        if self.security_protocol.endswith("SSL"):
            found += [
                f"KAFKA_SSL_{name.upper()}: there is no file {path!r}"
                for name in ("cafile", "certfile", "keyfile")
                if (path := getattr(self, f"ssl_{name}")) and not Path(path).is_file()
            ]
        return found


def read_settings(
    settings: type[_Settings], environ: Mapping[str, str], given: Mapping[str, object] = MappingProxyType({})
) -> _Settings:
    """The settings, checked. What is `given`, by the names of the fields, counts before the environment.

    Raises:
        SettingsError: with one sentence for every setting that is missing or cannot be used.
    """
    problems: list[str] = []
    values: dict[str, Any] = {}
    for field, annotation in get_type_hints(settings, include_extras=True).items():
        variable = _variable(annotation)
        try:
            if field in given:
                values[field] = msgspec.convert(given[field], annotation)
            elif (text := _look_up(variable, environ)) is not None:
                values[field] = msgspec.convert(text, annotation, strict=False)
        except (OSError, UnicodeDecodeError, msgspec.ValidationError) as error:
            problems.append(f"{field if field in given else variable}: {error}{_remedy(annotation)}")
            values[field] = None
    required = {field.name for field in msgspec.structs.fields(settings) if field.required}
    hints = get_type_hints(settings, include_extras=True)
    problems += [f"{_variable(hints[field])}: is not set" for field in sorted(required - values.keys())]
    if problems:
        raise SettingsError(problems)
    read = settings(**values)
    problems = getattr(read, "conflicts", list[str])()
    if problems:
        raise SettingsError(problems)
    return read


def read_sections(
    sections: Mapping[str, type[msgspec.Struct]],
    environ: Mapping[str, str],
    given: Mapping[str, object] = MappingProxyType({}),
) -> dict[str, Any]:
    """Several settings structs by name, so that what is wrong in all of them is told at once.

    Raises:
        SettingsError: with every problem of every section.
    """
    read: dict[str, Any] = {}
    problems: list[str] = []
    for name, section in sections.items():
        try:
            read[name] = read_settings(section, environ, given)
        except SettingsError as error:
            problems += error.problems
    if problems:
        raise SettingsError(problems)
    return read


def _variable(annotation: Any) -> str:
    metas = (meta for meta in annotation.__metadata__ if isinstance(meta, msgspec.Meta))
    return next(str(meta.extra["variable"]) for meta in metas if meta.extra)


def _remedy(annotation: Any) -> str:
    """What it may be, where that is a short list."""
    kind = get_args(annotation)[0]
    allowed = get_args(kind) if get_origin(kind) is Literal else ("1", "0") if kind is bool else ()
    return f"; it may be {', '.join(allowed)}" if allowed else ""


def _look_up(variable: str, environ: Mapping[str, str]) -> str | None:
    """The text of a setting; an empty variable counts as not set, as it does in a shell or a compose file."""
    text = environ.get(variable)
    file = environ.get(f"{variable}_FILE")
    if text and file:
        raise msgspec.ValidationError(f"is set, and so is {variable}_FILE: set only one of them")
    if file:
        return Path(file).read_text(encoding="utf-8").strip()
    return text or None
