"""The settings of the viewer. Each is read from the environment variable in its annotation, or from a file."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Final

from msgspec import Struct
from msgspec.structs import replace

from agent_runs.emitter.settings import EMITTER_VARIABLES, Config, EmitterSettings
from agent_runs.errors import SettingsError
from agent_runs.reader.settings import ReaderSettings
from agent_runs.settings import KafkaSettings, env, read_sections, variables
from agent_runs.unknown_variables import SERVICE_VARIABLES, unknown_variables

MAX_KAFKA_TIMEOUT_S: Final = 3.0
_HOSTS: Final = r"^[A-Za-z0-9._\[\]:, -]*$"
_MIN_TOKEN: Final = 16  # characters: a shorter one can be guessed


class ViewerSettings(Struct, frozen=True, kw_only=True):
    """Where the viewer listens, and what it asks of a client."""

    host: Annotated[str, env("AGENT_RUNS_VIEWER_HOST")] = "127.0.0.1"
    port: Annotated[int, env("AGENT_RUNS_VIEWER_PORT", ge=0, le=65535)] = 8020  # 0: any free port
    # The password that every request must have. Required unless `host` is a loopback address.
    token: Annotated[str | None, env("AGENT_RUNS_VIEWER_TOKEN")] = None
    # The header in which a proxy names the user. The viewer trusts it, so the proxy must remove it from the requests
    # of its clients.
    user_header: Annotated[str, env("AGENT_RUNS_VIEWER_USER_HEADER", pattern="^[A-Za-z0-9-]{0,64}$")] = ""
    # The names, separated by commas, by which browsers reach the viewer, in addition to loopback names.
    allowed_hosts: Annotated[str, env("AGENT_RUNS_VIEWER_ALLOWED_HOSTS", pattern=_HOSTS)] = ""
    # For one read. Shorter than the default of the reader: a person waits for the page.
    timeout_s: Annotated[float, env("AGENT_RUNS_DATABASE_TIMEOUT_S", gt=0, le=86_400)] = 10.0

    def conflicts(self) -> list[str]:
        """Return the problems that the types of the fields do not exclude, one sentence each."""
        found = []
        if self.token is None and not is_loopback(self.host):
            # Also with a user header: a client that reaches the port without the proxy could claim any name.
            found.append(
                f"AGENT_RUNS_VIEWER_TOKEN: is not set, and AGENT_RUNS_VIEWER_HOST={self.host} is not a loopback "
                f"address: set a token of at least {_MIN_TOKEN} characters, or listen on 127.0.0.1"
            )
        if self.token is not None and (len(self.token) < _MIN_TOKEN or not self.token.isprintable()):
            found.append(f"AGENT_RUNS_VIEWER_TOKEN: must have at least {_MIN_TOKEN} characters, all of them printable")
        return found

    @property
    def hosts(self) -> list[str]:
        """The names of `allowed_hosts`, in lower case."""
        return [name for text in self.allowed_hosts.split(",") if (name := text.strip().lower())]

    def __repr__(self) -> str:
        """Return the fields without the token."""
        return f"ViewerSettings(host={self.host!r}, port={self.port!r}, timeout_s={self.timeout_s!r})"


def read_kafka_config(environ: Mapping[str, str]) -> Config | None:
    """Read how to reach Kafka, and the topic, to publish answers; None if KAFKA_BOOTSTRAP_SERVERS is not set.

    Raises:
        SettingsError: one of these settings is missing or not valid.
    """
    if not any(environ.get(f"KAFKA_BOOTSTRAP_SERVERS{suffix}") for suffix in ("", "_FILE")):
        return None
    config = Config(**read_sections({"kafka": KafkaSettings, "emitter": EmitterSettings}, environ))
    timeout_s = min(config.emitter.request_timeout_s, MAX_KAFKA_TIMEOUT_S)  # a person waits for the page
    return replace(config, emitter=replace(config.emitter, request_timeout_s=timeout_s))


def read_viewer_settings(environ: Mapping[str, str]) -> ViewerSettings:
    """Read the settings of the viewer, and check those of its reader and of Kafka.

    Raises:
        SettingsError: with one sentence for every setting that is missing or invalid, and for every variable that
            begins with AGENT_RUNS_ and is not a setting.
    """
    known = variables(ViewerSettings) | variables(ReaderSettings) | EMITTER_VARIABLES | SERVICE_VARIABLES
    problems = unknown_variables(environ, known)
    try:
        loaded = read_sections({"viewer": ViewerSettings, "reader": ReaderSettings}, environ)
        read_kafka_config(environ)
    except SettingsError as error:
        raise SettingsError(list(dict.fromkeys(error.problems + problems))) from None
    if problems:
        raise SettingsError(problems)
    settings: ViewerSettings = loaded["viewer"]
    return settings


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to a host: `localhost`, or a loopback address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
