"""The steps of runs over time: calls of models and of tools, from the types, parents and times of their events."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from agent_runs.reader.connections import Connections, time_of

# A name is in a message. So many are read, of the longest steps, and none of a message that is longer as stored.
_NAMED_STEPS: Final = 400
_MAX_NAMED_BYTES: Final = 64 * 1024


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A call of a model or of a tool.

    Attributes:
        run_id: the run.
        began_seq: the number of the event with which it began: the request of a tool; the parent of a call of a model,
            which is one event. Since the parent, the agent may also have done other things. None: it is not stored.
        seq: the number of the event with which it ended; of a request without an answer, that of the request.
        type: the type of that event.
        began_at: when it began.
        ended_at: when it ended; None if a request has no answer yet.
        name: the tool or the model; None if it was not read.
    """

    run_id: str
    began_seq: int | None
    seq: int
    type: str
    began_at: datetime
    ended_at: datetime | None
    name: str | None


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """The longest steps of some runs in a span of time.

    Attributes:
        steps: the steps, the longest first; those without an answer before them.
        total: how many steps there are.
    """

    steps: list[Step]
    total: int


async def read_timeline(
    connections: Connections, run_ids: Sequence[str], begin: datetime | None, end: datetime | None, limit: int
) -> Timeline:
    """Return the longest steps of these runs that touch a span of time.

    Reads the structure of all their events, and the names of the 400 longest steps from their messages.
    """
    rows = await connections.fetch("longest_steps", list(run_ids), begin, end, limit)
    named = rows[:_NAMED_STEPS]
    keys = [row["run_id"] for row in named], [row["event_seq"] for row in named]
    found = await connections.fetch("names_of_steps", *keys, _MAX_NAMED_BYTES)
    names = {(row["run_id"], row["event_seq"]): row["name"] for row in found}
    steps = [
        Step(
            run_id=row["run_id"],
            began_seq=row["began_seq"],
            seq=row["event_seq"],
            type=row["event_type"],
            began_at=time_of(row, "began_at"),
            ended_at=None if row["ended_at"] is None else time_of(row, "ended_at"),
            name=names.get((row["run_id"], row["event_seq"])),
        )
        for row in rows
    ]
    return Timeline(steps=steps, total=rows[0]["total"] if rows else 0)
