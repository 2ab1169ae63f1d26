"""Where a replay or a fork comes from: fields of its `run_started`, and a label of the same name."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from agent_runs.event_items import events_of
from agent_runs.events import RunStarted
from agent_runs.labels import FORKED_FROM, REPLAY_OF, labels_problem

_FORKED_UNTIL: Final = "forked_until"


class ForkOrigin(NamedTuple):
    """The run that a fork comes from.

    Attributes:
        run_id: the id of the run.
        until: the number of its last event that the fork has.
    """

    run_id: str
    until: int


def origin_fields(run_id: str, until: int | None = None) -> dict[str, Any]:
    """Return fields of a `run_started`, with `labels`; these are left out if the id is too long for one.

    Args:
        run_id: the run that is replayed or forked.
        until: of a fork, the number of the last event that it has; None for a replay.
    """
    name = REPLAY_OF if until is None else FORKED_FROM
    fields: dict[str, Any] = {name: run_id} if until is None else {name: run_id, _FORKED_UNTIL: until}
    labels = {name: run_id}
    return fields if labels_problem(labels) else {**fields, "labels": labels}


def fork_origin(events: Iterable[Any]) -> ForkOrigin | None:
    """Return the origin of a fork; None if the run is not a fork.

    Args:
        events: the events of the run in order, or its first one: typed events, or objects with the attribute `event`.
    """
    for event in events_of(events):
        if isinstance(event, RunStarted):
            run_id, until = (event.further_fields.get(name) for name in (FORKED_FROM, _FORKED_UNTIL))
            is_fork = isinstance(run_id, str) and isinstance(until, int)
            return ForkOrigin(str(run_id), until) if is_fork and until is not None else None
    return None
