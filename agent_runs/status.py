"""The status of a run, as a fold over its events."""

from enum import StrEnum


class RunStatus(StrEnum):
    """Where a run stands; a run without events is `RUNNING`."""

    RUNNING = "running"  # executing
    WAITING = "waiting"  # paused until somebody or something answers
    COMPLETED = "completed"
    FAILED = "failed"


FINISHED = frozenset({RunStatus.COMPLETED, RunStatus.FAILED})

# Part of the contract, not settings: status must be a function of the log alone. An agent whose tools have
# other names says `run_waiting` and `run_completed`.
WAITING_TOOLS = frozenset({"ask_human", "spawn_agent"})
TERMINAL_TOOLS = frozenset({"respond_to_user", "done"})


def next_status(  # noqa: PLR0911  # a return for each row of the table
    status: RunStatus, event_type: str, tool_name: str | None = None
) -> RunStatus:
    """The status after one more event; an event that the fold does not know changes nothing.

    Why not "the last event decides": an audit event that trails behind `respond_to_user` would bring a finished run
    back to life, and the request of a parallel tool would take a waiting run out of its human's inbox.
    """
    match event_type:
        case "input" | "run_resumed":
            return RunStatus.RUNNING  # a new stimulus takes up even a finished run
        case _ if status in FINISHED:
            return status
        case "run_waiting":
            return RunStatus.WAITING
        case "run_completed":
            return RunStatus.COMPLETED
        case "run_failed":
            return RunStatus.FAILED
        case "tool_requested" if tool_name in WAITING_TOOLS:
            return RunStatus.WAITING
        case "tool_succeeded" | "tool_failed" if tool_name in WAITING_TOOLS:
            return RunStatus.RUNNING
        case "tool_succeeded" if tool_name in TERMINAL_TOOLS:
            return RunStatus.COMPLETED
    return status
