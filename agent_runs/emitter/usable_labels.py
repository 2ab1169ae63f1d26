"""Selects the labels that the contract allows, so that an unusable one does not cost the `run_started`."""

from collections.abc import Callable, Mapping
from typing import Any

from agent_runs.event_base import MAX_LABELS
from agent_runs.labels import label_problem
from agent_runs.signal_safety import reraise_from_signal_handler

# Called with why labels are left out.
OnProblem = Callable[[str], None]


def usable_labels(labels: Any, on_problem: OnProblem) -> dict[str, str] | None:
    """Return the labels without those that break the contract; None if there are none.

    Args:
        labels: what the agent passes as labels: a mapping of texts, or None.
        on_problem: called for everything that is left out.
    """
    if labels is None:
        return None
    try:
        return _select(labels, on_problem) or None
    except Exception as error:  # noqa: BLE001  # a mapping of the agent can raise anything
        reraise_from_signal_handler(error)
        on_problem(f"they cannot be read: {type(error).__name__}")
        return None


def _select(labels: Any, on_problem: OnProblem) -> dict[str, str]:
    if not isinstance(labels, Mapping):
        on_problem(f"they must be a mapping of texts, got {type(labels).__name__}")
        return {}
    found: dict[str, str] = {}
    for name, value in labels.items():
        if not isinstance(name, str) or not isinstance(value, str):
            on_problem(f"the name and the value of {name!r} must be texts")
        elif problem := label_problem(name, value):
            on_problem(f"a label {problem}")
        elif len(found) == MAX_LABELS:
            on_problem(f"there are more than {MAX_LABELS}")
            break
        else:
            found[str.__str__(name)] = str.__str__(value)
    return found
