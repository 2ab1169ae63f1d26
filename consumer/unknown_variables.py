"""Finds environment variables that begin like settings and are none: a misspelt setting would have no effect."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final

import msgspec

from agent_runs.emitter.settings import EMITTER_VARIABLES
from agent_runs.settings import variables

_PREFIX: Final = "AGENT_RUNS_"
# Read by `make up`, the tests and docker-compose.yml. A container may inherit them.
_OF_OTHER_PROGRAMS: Final = ("AGENT_RUNS_CACHE", "AGENT_RUNS_IMAGE")
_TESTS: Final = "AGENT_RUNS_TEST_"

# What Kubernetes sets in every pod for a Service whose name begins with `agent-runs`.
_SERVICE_LINK: Final = re.compile(
    r"AGENT_RUNS_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?)"
)
_SERVICE_ADDRESS: Final = re.compile(r"(tcp|udp|sctp)://")


def unknown_variables(environ: Mapping[str, str], sections: Iterable[type[msgspec.Struct]]) -> list[str]:
    """Return one sentence for each variable with the prefix of the settings that is not a setting.

    The settings of the emitter are known too, because a service and its agents may share their environment. Variables
    that Kubernetes sets for a Service are ignored.

    Args:
        environ: the environment variables. An empty one counts as not set.
        sections: the settings structs of the service.
    """
    known = {name for section in sections for name in variables(section)} | EMITTER_VARIABLES
    known |= {f"{name}_FILE" for name in known}
    known |= set(_OF_OTHER_PROGRAMS)
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
