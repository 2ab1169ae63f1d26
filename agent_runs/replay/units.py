"""Units: the recorded calls that a recording can answer."""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from agent_runs.events import Input
from agent_runs.replay.canonical import prompt_key


class Answer(msgspec.Struct, frozen=True):
    """What a recorded call returned; or the error with which it failed, and the class of the exception."""

    value: Any = None
    error: str | None = None
    error_type: str | None = None


class Unit(msgspec.Struct, eq=False):
    """A recorded call of a model or of a tool.

    Attributes:
        number: its number among the units, from 0.
        seq: the number of the event of the request in its run.
        event_id: the id of that event.
        kind: `llm` or `tool`.
        name: the model or the tool.
        content: as for `Request`.
        key: the key by which requests are compared.
        parent: the number of the last unit before this one in its task, by the parents of the events; None for the
            first.
        answer: None if the run has none.
        lane: the further field `lane` of the event.
        run: the number of its run, from 0, if the recording has several.
        run_name: how messages name its run; None if the recording has one run.
        inside: the number of the tool call during which the unit was requested and answered; None if there is none. A
            replay that serves this tool call does not make the unit's call.
    """

    number: int
    seq: int
    event_id: str
    kind: Literal["llm", "tool"]
    name: str
    content: Any
    key: str
    parent: int | None
    answer: Answer | None = None
    lane: str | None = None
    inside: int | None = None
    run: int = 0
    run_name: str | None = None

    @property
    def text(self) -> str:
        """How messages name the unit."""
        of_run = "" if self.run_name is None else f" of {self.run_name}"
        return f"event {self.seq}{of_run}, {'model' if self.kind == 'llm' else 'tool'} {self.name!r}"


class Units(msgspec.Struct):
    """The calls and the inputs of a run.

    Attributes:
        calls: in the order of their requests.
        inputs: in their order.
        inputs_of_runs: the same, by the number of the run.
        seq_by_id: the number of each event in the run, by its id.
        missing_events: how many events are missing: dropped by the emitter, or not readable.
    """

    calls: list[Unit]
    inputs: list[Input]
    seq_by_id: dict[str, int]
    missing_events: int = 0
    inputs_of_runs: list[list[Input]] = []  # msgspec copies it


def llm_key(content: dict[str, str]) -> str:
    """Return the key of the prompts of a model call."""
    return f"{prompt_key(content['system_prompt'])}\0{prompt_key(content['user_prompt'])}"


def superseded(calls: Iterable[Unit]) -> set[int]:
    """Return the numbers of the requests without an answer that the run repeated later, as after a crash."""
    later: set[tuple[int, str, str]] = set()
    found = set()
    for unit in reversed(list(calls)):
        if unit.kind == "tool":
            if unit.answer is None and (unit.run, unit.name, unit.key) in later:
                found.add(unit.number)
            later.add((unit.run, unit.name, unit.key))
    return found
