"""The settings of the viewer. Each is read from the environment variable in its annotation, or from a file."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Final

from msgspec import Struct

from agent_runs.emitter.settings import EMITTER_VARIABLES
from agent_runs.errors import SettingsError
from agent_runs.reader.settings import ReaderSettings
from agent_runs.settings import env, read_sections, variables
from agent_runs.unknown_variables import SERVICE_VARIABLES, unknown_variables

_MIN_TOKEN: Final = 16  # characters: a shorter one can be guessed


class ViewerSettings(Struct, frozen=True, kw_only=True):
    """Where the viewer listens, and what it asks of a client."""

    host: Annotated[str, env("AGENT_RUNS_VIEWER_HOST")] = "127.0.0.1"
    port: Annotated[int, env("AGENT_RUNS_VIEWER_PORT", ge=0, le=65535)] = 8020  # 0: any free port
    # The password that every request must have. Required unless `host` is a loopback address.
    token: Annotated[str | None, env("AGENT_RUNS_VIEWER_TOKEN")] = None
    # For one read. Shorter than the default of the reader: a person waits for the page.
    timeout_s: Annotated[float, env("AGENT_RUNS_DATABASE_TIMEOUT_S", gt=0, le=86_400)] = 10.0

    def conflicts(self) -> list[str]:
        """Return the problems that the types of the fields do not exclude, one sentence each."""
        found = []
        if self.token is None and not is_loopback(self.host):
            found.append(
                f"AGENT_RUNS_VIEWER_TOKEN: is not set, and AGENT_RUNS_VIEWER_HOST={self.host} is not a loopback "
                f"address: set a token of at least {_MIN_TOKEN} characters, or listen on 127.0.0.1"
            )
        if self.token is not None and (len(self.token) < _MIN_TOKEN or not self.token.isprintable()):
            found.append(f"AGENT_RUNS_VIEWER_TOKEN: must have at least {_MIN_TOKEN} characters, all of them printable")
        return found

    def __repr__(self) -> str:
        """Return the fields without the token."""
        return f"ViewerSettings(host={self.host!r}, port={self.port!r}, timeout_s={self.timeout_s!r})"


def read_viewer_settings(environ: Mapping[str, str]) -> ViewerSettings:
    """Read the settings of the viewer, and check those of its reader.

    Raises:
        SettingsError: with one sentence for every setting that is missing or invalid, and for every variable that
            begins with AGENT_RUNS_ and is not a setting.
    """
    known = variables(ViewerSettings) | variables(ReaderSettings) | EMITTER_VARIABLES | SERVICE_VARIABLES
    problems = unknown_variables(environ, known)
    try:
        loaded = read_sections({"viewer": ViewerSettings, "reader": ReaderSettings}, environ)
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
