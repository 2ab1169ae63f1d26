"""A run's voice: what an agent says becomes events with ids, times and a thread from each to the one before."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

from agent_runs.events import (
    ContextAssembled,
    Input,
    LlmCalled,
    RunCompleted,
    RunEvent,
    RunFailed,
    RunResumed,
    RunStarted,
    RunWaiting,
    ToolFailed,
    ToolRequested,
    ToolSucceeded,
)
from agent_runs.ids import ALPHABET, ID_LENGTH

THINKING_S = (0.02, 0.25)  # between two events of a run; real models take longer, and nobody would watch
HUMAN_S = (0.8, 2.0)  # until somebody answers

MODELS = ("claude-sonnet-4-5", "gpt-5-mini", "mistral-large-2512")


@dataclass(frozen=True, slots=True)
class Step:
    """One event of a script, and how long the world takes before the next one."""

    run_id: str
    event: RunEvent
    pause_s: float


# A script yields its steps; what it returns is its answer, for the agent that spawned it.
Script = Generator[Step, None, str]


@dataclass(frozen=True, slots=True)
class World:
    """Where chance and time come from: the same dice and the same clock tell the same story again."""

    dice: Random
    clock: Callable[[], datetime]

    def new_id(self) -> str:
        """An id as `agent_runs.ids` makes them, but from these dice."""
        return "".join(self.dice.choices(ALPHABET, k=ID_LENGTH))


class Voice:
    """One run of one agent. Every method returns the step that says so."""

    def __init__(self, world: World, agent_id: str, parent: "Voice | None" = None) -> None:
        self.world = world
        self.agent_id = agent_id
        self.run_id = world.new_id()
        self.session_id: str = parent.session_id if parent else world.new_id()
        self._model = world.dice.choice(MODELS)
        self._parent_run_id = parent.run_id if parent else None
        self._last_event_id: str | None = None

    def child(self, agent_id: str) -> "Voice":
        """The voice of a run that this one spawns: same session, this run as its parent."""
        return Voice(self.world, agent_id, parent=self)

    def started(self) -> Step:
        """It begins; these are the facts of its row."""
        facts = {"agent_id": self.agent_id, "session_id": self.session_id, "parent_run_id": self._parent_run_id}
        return self._say(RunStarted, **facts)

    def heard(self, tool: str, **data: Any) -> Step:
        """Something woke it: `tool` says who."""
        return self._say(Input, tool=tool, data=data)

    def assembled(self, **context: Any) -> Step:
        """What it knew when it decided."""
        return self._say(ContextAssembled, context=context)

    def called_model(self, system_prompt: str, user_prompt: str, raw_response: str) -> Step:
        """It asked its model, and got this answer."""
        return self._say(
            LlmCalled,
            model=self._model,
            system_prompt=system_prompt,
            user_prompt=user_prompt,
            raw_response=raw_response,
        )

    def requested(self, tool_name: str, **tool_args: Any) -> Step:
        """It asks for a tool."""
        return self._say(ToolRequested, tool_name=tool_name, tool_args=tool_args)

    def asked_human(self, question: str) -> Step:
        """It asks for the tool that waits, and is given some time to get an answer."""
        step = self.requested("ask_human", question=question)
        return Step(step.run_id, step.event, self.world.dice.uniform(*HUMAN_S))

    def succeeded(self, tool_name: str, result: Any) -> Step:
        """A tool answered."""
        return self._say(ToolSucceeded, tool_name=tool_name, result=result)

    def tool_failed(self, tool_name: str, error: str) -> Step:
        """A tool did not."""
        return self._say(ToolFailed, tool_name=tool_name, error=error)

    def waiting(self, reason: str) -> Step:
        """It waits for something that is no tool of the contract."""
        return self._say(RunWaiting, reason=reason)

    def resumed(self, reason: str) -> Step:
        """The wait is over."""
        return self._say(RunResumed, reason=reason)

    def completed(self, result: Any) -> Step:
        """It has reached its end, by no tool of the contract."""
        return self._say(RunCompleted, result=result)

    def failed(self, error: str) -> Step:
        """It gives up."""
        return self._say(RunFailed, error=error)

    def _say(self, event_type: Callable[..., RunEvent], **fields: Any) -> Step:
        event_id = self.world.new_id()
        event = event_type(id=event_id, parent_event_id=self._last_event_id, timestamp=self.world.clock(), **fields)
        self._last_event_id = event_id
        return Step(self.run_id, event, self.world.dice.uniform(*THINKING_S))
