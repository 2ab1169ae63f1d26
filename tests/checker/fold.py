"""The status and the questions of a run, by the table in docs/guarantees.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from tests.checker.contract import is_id
from tests.checker.strict_json import Json

WAITING_TOOLS = ("ask_human", "spawn_agent")
TERMINAL_TOOLS = ("respond_to_user", "done")
MAX_OPEN = 8192
MAX_ANSWERED = 2048
PER_QUESTION = 32

Questions: TypeAlias = "list[tuple[str, str]]"  # the id of the request and the name of the tool


@dataclass
class Fold:
    """The state of a run.

    Attributes:
        status: one of the table's columns: `running`, `waiting`, `by_tool`, `completed` or `failed`.
        open: the open questions, oldest first.
        answered: the answered questions that are kept, in the order in which they were closed.
    """

    status: str = "running"
    open: Questions = field(default_factory=list)
    answered: Questions = field(default_factory=list)

    def add(self, event: Mapping[str, Json]) -> None:
        """Apply the row of the table that describes the event."""
        kind, role = event["type"], _role(event)
        ended = self.status in ("by_tool", "completed", "failed")
        if kind == "run_resumed":
            self.status = "running"
        elif kind == "input":
            self._add_input(event)
        elif kind == "run_completed" and self.status not in ("completed", "failed"):
            self._end("completed")
        elif kind == "run_failed" and self.status not in ("completed", "failed"):
            self._end("failed")
        elif ended:
            pass
        elif kind == "run_waiting":
            self.status = "waiting"
        elif kind == "tool_requested" and role == "waits":
            self._open(event)
        elif kind == "tool_succeeded" and role == "finishes":
            self._end("by_tool")
        elif kind in ("tool_succeeded", "tool_failed") and role != "finishes":
            self._add_answer(event, is_waiting_tool=role == "waits")

    def _add_input(self, event: Mapping[str, Json]) -> None:
        must_wait = False
        if event["tool"] == "human_response" and self.open:
            self._close(event, {name for _, name in self.open + self.answered})
            must_wait = self.status == "waiting" and bool(self.open)
        self.status = "waiting" if must_wait else "running"

    def _open(self, event: Mapping[str, Json]) -> None:
        self.status = "waiting"
        event_id, name = event["id"], event["tool_name"]
        assert isinstance(event_id, str)
        assert isinstance(name, str)
        if is_id(name) and "\ufffd" not in name and _bytes([*self.open, (event_id, name)]) <= MAX_OPEN:
            self.open.append((event_id, name))

    def _add_answer(self, event: Mapping[str, Json], *, is_waiting_tool: bool) -> None:
        name = event["tool_name"]
        assert isinstance(name, str)
        has_question = any(tool == name for _, tool in self.open)
        if not has_question and not is_waiting_tool:
            return
        repeated = self._close(event, {name})
        if not repeated and not self.open:
            self.status = "running"

    def _close(self, event: Mapping[str, Json], tools: set[str]) -> bool:
        """Close the question that an answer of these tools closes. Returns whether it is a repeated answer."""
        parent = event.get("parent_event_id")
        candidates = [question for question in self.open if question[1] in tools]
        chosen = [question for question in candidates if question[0] == parent]
        if not chosen and any(question[0] == parent and question[1] in tools for question in self.answered):
            return True
        for question in (chosen or candidates)[:1]:
            self.open.remove(question)
            self._remember([question])
        return False

    def _end(self, status: str) -> None:
        self.status = status
        self._remember(self.open)
        self.open = []

    def _remember(self, questions: Questions) -> None:
        self.answered = self.answered + questions
        while _bytes(self.answered) > MAX_ANSWERED:
            del self.answered[0]


def _role(event: Mapping[str, Json]) -> str | None:
    role, name = event.get("role"), event.get("tool_name")
    if role in ("waits", "finishes"):
        return str(role)
    if name in WAITING_TOOLS:
        return "waits"
    return "finishes" if name in TERMINAL_TOOLS else None


def _bytes(questions: Questions) -> int:
    return sum(PER_QUESTION + len(event_id.encode()) + len(name.encode()) for event_id, name in questions)


def as_json(questions: Questions) -> str:
    """The column of the table that has these questions."""
    return json.dumps([{"id": event_id, "tool_name": name} for event_id, name in questions])
