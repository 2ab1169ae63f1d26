"""Reads settings from a mapping of environment variables, usually `os.environ`, into msgspec structs.

A settings struct names the variable of each field: `topic: Annotated[str, env("AGENT_RUNS_TOPIC")]`. Instead
of a variable, such as `KAFKA_SASL_PASSWORD`, `KAFKA_SASL_PASSWORD_FILE` may name a file that holds the value.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from agent_runs.client_certificate import why_unreadable
from agent_runs.errors import SettingsError
from agent_runs.server_addresses import address_problems
from agent_runs.setting_values import look_up

DEFAULT_TOPIC: Final = "run-events"
DEFAULT_MAX_EVENT_BYTES: Final = 16 * 1024 * 1024
DEFAULT_SCHEMA: Final = "public"
MAX_EVENT_BYTES_LIMIT: Final = 2**30  # PostgreSQL stores no larger value
# Kafka refuses the topics . and .., and writes to those of its own.
TOPIC_PATTERN: Final = (
    r"^(?!(\.|\.\.|__consumer_offsets|__transaction_state|__share_group_state|__cluster_metadata)\Z)"
    r"[a-zA-Z0-9._-]{1,249}\Z"
)
SCHEMA_PATTERN: Final = r"^(?!pg_|information_schema\Z)[a-z_][a-z0-9_]{0,62}\Z"  # as in SQL without quotes
_NAMES: Final[dict[str | None, str]] = {
    TOPIC_PATTERN: (
        "must be a name of at most 249 letters, digits, dots, hyphens and underscores, other than . and .. and the "
        "topics of Kafka itself, such as __consumer_offsets"
    ),
    SCHEMA_PATTERN: (
        "must be a name of at most 63 lower-case letters, digits and underscores, other than PostgreSQL's own schemas "
        "(information_schema and pg_…)"
    ),
}

_Settings = TypeVar("_Settings", bound=msgspec.Struct)


def env(variable: str, **limits: Any) -> msgspec.Meta:
    """Name the environment variable of a settings field.

    Args:
        variable: the name of the variable.
        limits: constraints on the value, as `msgspec.Meta` takes them (`ge`, `min_length`, …).
    """
    return msgspec.Meta(extra={"variable": variable}, **limits)


def variables(settings: type[msgspec.Struct]) -> frozenset[str]:
    """Return the names of the environment variables of a settings struct, without their `_FILE` variants."""
    return frozenset(map(_variable, get_type_hints(settings, include_extras=True).values()))


def variable_of(settings: type[msgspec.Struct], field: str) -> str:
    """Return the name of the environment variable of a field."""
    return _variable(get_type_hints(settings, include_extras=True)[field])


def allowed_numbers(settings: type[msgspec.Struct], field: str) -> str:
    """Return the range of a field's numbers, such as "at least 16", or "any number"."""
    annotation = get_type_hints(settings, include_extras=True)[field]
    words = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}
    limits = [
        f"{words[name]} {limit}"
        for meta in annotation.__metadata__
        for name in words
        if (limit := getattr(meta, name, None)) is not None
    ]
    return " and ".join(limits) or "any number"


class KafkaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach Kafka, for producers and consumers alike.

    Attributes:
        bootstrap_servers: `host[:port][,host[:port]…]` without a scheme; the default port is 9092.
        security_protocol: `SSL` and `SASL_SSL` use TLS; `SASL_PLAINTEXT` and `SASL_SSL` log in with SASL.
        sasl_mechanism: how a SASL protocol logs in. It requires `sasl_username` and `sasl_password`.
        ssl_cafile: path of the CA certificates that verify the brokers' certificates; unset: those of the system.
        ssl_certfile: path of the client certificate, for brokers that require one.
        ssl_keyfile: path of the private key of the client certificate; unset: the key is in `ssl_certfile`.
        ssl_key_password: passphrase of the private key, if the key is encrypted.
    """

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
    ssl_key_password: Annotated[str | None, env("KAFKA_SSL_KEY_PASSWORD")] = None

    def conflicts(self) -> list[str]:
        """Return the problems that the types of the fields do not exclude, one sentence each."""
        found = address_problems(self.bootstrap_servers)
        if self.security_protocol.startswith("SASL") and not (self.sasl_username and self.sasl_password):
            found.append(
                f"KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD: KAFKA_SECURITY_PROTOCOL={self.security_protocol} needs both"
            )
        if self.security_protocol.endswith("SSL"):
            found += [
                f"KAFKA_SSL_{name.upper()}: {problem}"
                for name in ("cafile", "certfile", "keyfile")
                if (path := getattr(self, f"ssl_{name}")) and (problem := why_unreadable(path))
            ]
            if self.ssl_keyfile and not self.ssl_certfile:
                found.append("KAFKA_SSL_CERTFILE: is not set, and KAFKA_SSL_KEYFILE is: set both, or none")
        return found

    def __repr__(self) -> str:
        """Return the fields without the passwords."""
        fields = {
            name: "…" if value and name.endswith("password") else value
            for name, value in msgspec.structs.asdict(self).items()
        }
        return f"KafkaSettings({', '.join(f'{name}={value!r}' for name, value in fields.items())})"


def read_settings(
    settings: type[_Settings], environ: Mapping[str, str], overrides: Mapping[str, object] = MappingProxyType({})
) -> _Settings:
    """Read and validate one settings struct.

    Args:
        settings: a struct whose fields are annotated with `env`. Its method `conflicts`, if it has one, returns the
            problems that the types of the fields do not exclude.
        environ: environment variables by name. An empty variable counts as not set.
        overrides: values by field name; they override the environment.

    Raises:
        SettingsError: with one sentence for every setting that is missing or invalid.
    """
    values, invalid = _read_fields(settings, environ, overrides)
    required = {field.name for field in msgspec.structs.fields(settings) if field.required}
    hints = get_type_hints(settings, include_extras=True)
    missing = sorted(required - values.keys() - invalid.keys())
    problems = [*invalid.values(), *(f"{_variable(hints[field])}: is not set" for field in missing)]
    if problems:
        raise SettingsError(problems)
    loaded = settings(**values)
    problems = getattr(loaded, "conflicts", list[str])()
    if problems:
        raise SettingsError(problems)
    return loaded


def invalid_fields(
    settings: type[msgspec.Struct], environ: Mapping[str, str], overrides: Mapping[str, object]
) -> dict[str, str]:
    """Return one sentence for each field whose value is invalid, by the name of the field."""
    return _read_fields(settings, environ, overrides)[1]


def _read_fields(
    settings: type[msgspec.Struct], environ: Mapping[str, str], overrides: Mapping[str, object]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values that are set and valid, and one sentence for each that is invalid, by the name of the field."""
    values: dict[str, Any] = {}
    invalid: dict[str, str] = {}
    for field, annotation in get_type_hints(settings, include_extras=True).items():
        variable = _variable(annotation)
        try:
            if field in overrides:
                values[field] = msgspec.convert(overrides[field], annotation)
            elif (text := look_up(variable, environ)) is not None:
                values[field] = msgspec.convert(text, annotation, strict=False)
        except msgspec.ValidationError as error:
            problem = _wrong_name(annotation, error) or f"{error}{_allowed_values(annotation)}"
            hint = _service_link(environ.get(variable, ""))
            invalid[field] = f"{field if field in overrides else variable}: {problem}{hint}"
    return values, invalid


def read_sections(
    sections: Mapping[str, type[msgspec.Struct]],
    environ: Mapping[str, str],
    overrides: Mapping[str, object] = MappingProxyType({}),
) -> dict[str, Any]:
    """Read several settings structs, and report the problems of all of them at once.

    Args:
        sections: the structs by any name.
        environ: environment variables by name.
        overrides: values by field name; they override the environment.

    Returns:
        The settings by the names of `sections`.

    Raises:
        SettingsError: with the problems of every section.
    """
    loaded: dict[str, Any] = {}
    problems: list[str] = []
    for name, section in sections.items():
        try:
            loaded[name] = read_settings(section, environ, overrides)
        except SettingsError as error:
            problems += error.problems
    if problems:
        raise SettingsError(problems)
    return loaded


def _variable(annotation: Any) -> str:
    metas = (meta for meta in annotation.__metadata__ if isinstance(meta, msgspec.Meta))
    return next(str(meta.extra["variable"]) for meta in metas if meta.extra)


def _allowed_values(annotation: Any) -> str:
    """Return the allowed values as the end of a sentence, or "" if they are not a short list."""
    kind = get_args(annotation)[0]
    allowed = get_args(kind) if get_origin(kind) is Literal else ("1", "0") if kind is bool else ()
    return f"; allowed: {', '.join(allowed)}" if allowed else ""


def _wrong_name(annotation: Any, error: msgspec.ValidationError) -> str:
    """Return which names are allowed, if the error is a name that is not; else ""."""
    patterns = [getattr(meta, "pattern", None) for meta in annotation.__metadata__]
    return next((_NAMES[each] for each in patterns if each in _NAMES), "") if "regex" in str(error) else ""


def _service_link(text: str) -> str:
    """Return what to do about a variable that Kubernetes sets for a Service, as the end of a sentence."""
    if not text.startswith(("tcp://", "udp://", "sctp://")):
        return ""
    return (
        "; Kubernetes sets this variable for a Service of the same name: set enableServiceLinks: false in the pod, or "
        "rename the Service"
    )
