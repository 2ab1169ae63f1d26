"""Reads which tools of an emitter have a role in spite of their names."""

from collections.abc import Iterable, Mapping
from logging import ERROR

from agent_runs.emitter.rate_limited_log import log_safely
from agent_runs.signal_safety import reraise_from_signal_handler
from agent_runs.status import Role


def read_tool_roles(waiting_tools: Iterable[str], finishing_tools: Iterable[str]) -> dict[str, str]:
    """Return the field `role` of the events of tools, by the name of the tool. A tool in both collections waits.

    A value that is not a collection of texts is ignored, and an error is logged.
    """
    roles = dict.fromkeys(_names("finishing_tools", finishing_tools), Role.FINISHES.value)
    return roles | dict.fromkeys(_names("waiting_tools", waiting_tools), Role.WAITS.value)


def _names(argument: str, tools: Iterable[str]) -> list[str]:
    if isinstance(tools, str):
        return [tools]
    try:
        names = list(tools.keys() if isinstance(tools, Mapping) else tools)
    except Exception as error:  # noqa: BLE001  # an iterable of the agent can raise anything
        reraise_from_signal_handler(error)
        names = [None]
    usable = [name for name in names if isinstance(name, str)]
    if len(usable) < len(names):
        log_safely(ERROR, "The emitter ignores values of %s that are not names of tools, such as %r", argument, tools)
    return usable
