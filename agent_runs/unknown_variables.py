"""Finds environment variables that begin like settings and are none: a misspelt setting would have no effect."""

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Final

_PREFIX: Final = "AGENT_RUNS_"
# Read by `make up`, the tests and docker-compose.yml, or written by `make up`. A container may inherit them.
_OF_OTHER_PROGRAMS: Final = ("AGENT_RUNS_CACHE", "AGENT_RUNS_IMAGE", "AGENT_RUNS_REAL_RUNS", "AGENT_RUNS_VIEWER_URL")
_TESTS: Final = "AGENT_RUNS_TEST_"

# The settings of the service. The emitter ignores them: a service and its agents may share their environment. The
# library cannot import the service; a test proves that these are the names of its settings.
SERVICE_VARIABLES: Final = frozenset(
    f"{_PREFIX}{name}"
    for name in (
        "BATCH_BYTES",
        "BATCH_RECORDS",
        "BREAKER_RECORDS",
        "BREAKER_SHARE",
        "CONNECT_TIMEOUT_S",
        "DATABASE_TIMEOUT_S",
        "FETCH_BYTES",
        "GIVE_UP_S",
        "GROUP",
        "GROUP_INSTANCE_ID",
        "HTTP_HOST",
        "HTTP_PORT",
        "LANES",
        "LOCK_TIMEOUT_S",
        "LOG_FORMAT",
        "LOG_LEVEL",
        "MAX_DECOMPRESSED_BYTES",
        "MAX_EVENT_BYTES",
        "OPEN_TRANSACTION_S",
        "SCHEMA",
        "SESSION_TIMEOUT_S",
        "SHUTDOWN_TIMEOUT_S",
        "STALLED_OWNER_S",
        "STALL_S",
        "TOPIC",
        "WATCH_INTERVAL_S",
    )
)

# The settings that only the viewer has, which the others ignore for the same reason. A test proves the names, too.
VIEWER_VARIABLES: Final = frozenset(
    f"{_PREFIX}VIEWER_{name}" for name in ("ALLOWED_HOSTS", "HOST", "PORT", "TOKEN", "USER_HEADER")
)

# What Kubernetes sets in every pod for a Service whose name begins with `agent-runs`.
_SERVICE_LINK: Final = re.compile(
    r"AGENT_RUNS_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?)"
)
_SERVICE_ADDRESS: Final = re.compile(r"(tcp|udp|sctp)://")


def unknown_variables(environ: Mapping[str, str], settings: Collection[str]) -> list[str]:
    """Return one sentence for each variable with the prefix of the settings that is not a setting.

    Variables that Kubernetes sets for a Service are ignored.

    Args:
        environ: the environment variables. An empty one counts as not set.
        settings: the names of the settings, without their `_FILE` variants.
    """
    known = {*settings, *_OF_OTHER_PROGRAMS, *(f"{name}_FILE" for name in settings)}
    unknown = [name for name, text in environ.items() if text and name.startswith(_PREFIX) and name not in known]
    return [
        f"{name}: there is no such setting{_nearest(name, known)}"
        for name in sorted(unknown)
        if not name.startswith(_TESTS) and not _is_service_link(name, environ[name])
    ]


def _is_service_link(name: str, text: str) -> bool:
    if _SERVICE_LINK.fullmatch(name):
        return True
    return name.endswith("_PORT") and _SERVICE_ADDRESS.match(text) is not None


def _nearest(name: str, known: Iterable[str]) -> str:
    nearest = get_close_matches(name.removeprefix(_PREFIX), [each.removeprefix(_PREFIX) for each in known], n=1)
    return f"; did you mean {_PREFIX}{nearest[0]}?" if nearest else "; docs/operating.md lists the settings"
