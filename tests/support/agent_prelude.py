"""Imported by agent programs under test: emits events, and prints their ids for the ledger."""

import json
import os

from agent_runs import Emitter, Run

STDOUT = 1


def emit(run: Run, result: object) -> str:
    """Emit an event and then print its id: what is printed was emitted."""
    event_id = run.tool_succeeded("work", result)
    print_emitted(run.id, event_id)
    return event_id


def print_emitted(run_id: str, event_id: str) -> None:
    """Print a line for `Ledger.read`."""
    # One system call, without a buffer: a crash loses no line, lines of several processes do not mix, and no line is
    # printed twice after a fork.
    os.write(STDOUT, f"emitted {run_id} {event_id}\n".encode())


def print_stats(emitter: Emitter) -> None:
    """Print the counts of this process."""
    stats = emitter.stats()
    counts = {name: getattr(stats, name) for name in stats.__struct_fields__}
    os.write(STDOUT, f"stats {json.dumps(counts)}\n".encode())
