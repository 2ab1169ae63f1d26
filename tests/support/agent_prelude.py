"""For programs under test: say something, and write it down on standard output where no crash can take it back."""

import json
import os

from agent_runs import Emitter, Run

STDOUT = 1


def say(run: Run, result: object) -> str:
    """One event. The line in the ledger comes after it: what is written down was said."""
    event_id = run.tool_succeeded("work", result)
    note(run.id, event_id)
    return event_id


def note(run_id: str, event_id: str) -> None:
    # One call of the system, without a buffer: lines of several processes don't mix, and none is written twice.
    os.write(STDOUT, f"said {run_id} {event_id}\n".encode())


def tell_stats(emitter: Emitter) -> None:
    """The counts of this process."""
    stats = emitter.stats()
    counts = {name: getattr(stats, name) for name in stats.__struct_fields__}
    os.write(STDOUT, f"stats {json.dumps(counts)}\n".encode())
