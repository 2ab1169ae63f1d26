"""The statuses of a run, and `next_status`: one step of the status fold."""

from enum import StrEnum


class RunStatus(StrEnum):
    """The four statuses of a run."""

    RUNNING = "running"  # executing, or no events yet
    WAITING = "waiting"  # paused until it receives an answer
    COMPLETED = "completed"  # ended successfully
    FAILED = "failed"  # ended without success


FINISHED = frozenset({RunStatus.COMPLETED, RunStatus.FAILED})

# These names are part of the contract, not settings, because the status must depend on the log alone. An agent whose
# tools have other names emits `run_waiting` and `run_completed`.
WAITING_TOOLS = frozenset({"ask_human", "spawn_agent"})
TERMINAL_TOOLS = frozenset({"respond_to_user", "done"})
# No event of another tool changes the status.
TOOLS_WITH_A_ROLE = WAITING_TOOLS | TERMINAL_TOOLS


def next_status(  # noqa: PLR0911  # a return for each row of the table
    status: RunStatus, event_type: str, tool_name: str | None = None
) -> RunStatus:
    """Return the status of a run after one more event.

    Args:
        status: the status before the event.
        event_type: the event's `type`. A type that is not part of the contract changes nothing.
        tool_name: the event's `tool_name`, if it has one.

    The status depends on the previous status too. If the last event alone decided, an audit event after
    `respond_to_user` would reopen a finished run, and the request of a parallel tool would remove a waiting run from
    the inbox of the human whose answer it needs.
    """
    match event_type:
        case "input" | "run_resumed":
            return RunStatus.RUNNING  # new input continues a run that has ended
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
