"""Validates the labels of a run, and names those that the library sets."""

from collections.abc import Mapping
from typing import Final

from agent_runs.event_base import MAX_LABELS
from agent_runs.ids import id_problem

# The run that a replay, or a fork, comes from.
REPLAY_OF: Final = "replay_of"
FORKED_FROM: Final = "forked_from"


def labels_problem(labels: Mapping[str, str]) -> str | None:
    """Return why `labels` breaks the contract, or None if it does not. Names and values must be strings.

    The result, such as "has 40 names, more than 32", is a predicate for the name of the field.
    """
    if len(labels) > MAX_LABELS:
        return f"has {len(labels)} names, more than {MAX_LABELS}"
    for name, value in labels.items():
        if problem := label_problem(name, value):
            return problem
    return None


def label_problem(name: str, value: str) -> str | None:
    """Return why one label breaks the contract, or None. A name is a valid id; a value may be empty too."""
    if problem := id_problem(name):
        return f"has a name that {problem}"
    if value and (problem := id_problem(value)):
        return f"has a value of {name!r} that {problem}"
    return None
