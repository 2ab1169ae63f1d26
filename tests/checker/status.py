"""The status of a run, written as the table that the contract prints rather than as code."""

from __future__ import annotations

from tests.checker.strict_json import Json

WAITING_TOOLS = ("ask_human", "spawn_agent")
TERMINAL_TOOLS = ("respond_to_user", "done")

_ALWAYS_RUNNING = {"running": "running", "waiting": "running", "completed": "running", "failed": "running"}
_PAUSE = {"running": "waiting", "waiting": "waiting", "completed": "completed", "failed": "failed"}
_ANSWER = {"running": "running", "waiting": "running", "completed": "completed", "failed": "failed"}
_COMPLETE = {"running": "completed", "waiting": "completed", "completed": "completed", "failed": "failed"}
_FAIL = {"running": "failed", "waiting": "failed", "completed": "completed", "failed": "failed"}
_NOTHING = {"running": "running", "waiting": "waiting", "completed": "completed", "failed": "failed"}

_BY_TYPE = {
    "input": _ALWAYS_RUNNING,
    "run_resumed": _ALWAYS_RUNNING,
    "run_waiting": _PAUSE,
    "run_completed": _COMPLETE,
    "run_failed": _FAIL,
}
_BY_TOOL = (
    {("tool_requested", tool): _PAUSE for tool in WAITING_TOOLS}
    | {("tool_succeeded", tool): _ANSWER for tool in WAITING_TOOLS}
    | {("tool_failed", tool): _ANSWER for tool in WAITING_TOOLS}
    | {("tool_succeeded", tool): _COMPLETE for tool in TERMINAL_TOOLS}
)


def status_after(status: str, event_type: str, tool_name: Json) -> str:
    """The status after one more event. A type that we don't know may have a `tool_name` of any kind."""
    tool = tool_name if isinstance(tool_name, str) else ""
    row = _BY_TYPE.get(event_type) or _BY_TOOL.get((event_type, tool)) or _NOTHING
    return row[status]
