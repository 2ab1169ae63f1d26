"""An agent that is a reducer over its history: it pauses for a human, and another process resumes it from the history.

    .venv/bin/python examples/resume_agent.py "A-4711 is broken."   # works until it asks a human, prints its id, ends
    agent-runs answer RUN_ID yes
    .venv/bin/python examples/resume_agent.py resume RUN_ID         # continues, with nothing but the stored history

Set up the environment as for plain_agent.py. To answer and to resume, a consumer must run, and DATABASE_URL must be
set.
"""

import logging
import sys
from datetime import UTC, datetime
from typing import Any

from agent_runs import Emitter, Event, Input, LlmCalled, RunStarted, ToolRequested, ToolSucceeded, new_id
from agent_runs.reader import SyncReader
from agent_runs.replay import render

SYSTEM_PROMPT = "You are the refund desk of a shop. Ask a human before you pay more than EUR 50."
CONTEXT_BYTES = 20_000
Step = tuple[str, dict[str, Any]]  # the tool that the model asks for, and its arguments


class History:
    """The events of a run. Each new event is appended and published.

    Attributes:
        events: the events so far: the whole state of the agent.
    """

    def __init__(self, emitter: Emitter, run_id: str, events: list[Any]) -> None:
        self.run_id = run_id
        self.events = events
        self._emitter = emitter

    def add(self, event_class: type[Event], **fields: Any) -> None:
        """Append an event; its parent is the last one."""
        parent = self.events[-1].id if self.events else None
        event: Any = event_class(id=new_id(), parent_event_id=parent, timestamp=datetime.now(UTC), **fields)
        self.events.append(event)
        self._emitter.emit(self.run_id, event)


def next_step(history: History) -> Step:
    """Ask the model, which sees the rendered history only, for the next step."""
    context = render(history.events, budget=CONTEXT_BYTES)
    name, arguments = call_model(context)
    texts = {"system_prompt": SYSTEM_PROMPT, "user_prompt": context, "raw_response": f"{name} {arguments}"}
    history.add(LlmCalled, model="example-1", **texts)
    return name, arguments


def call_model(context: str) -> Step:
    """Return the next step. A real agent calls its model here; this one looks for what has happened so far."""
    if "<tool_succeeded>\ntool_name: pay_refund" in context:
        return "respond_to_user", {"text": "Your money is on its way."}
    if "<tool_succeeded>\ntool_name: ask_human" in context:
        said_yes = 'answer: "yes"' in context.partition("<tool_succeeded>\ntool_name: ask_human")[2]
        return ("pay_refund", {"eur": 189}) if said_yes else ("respond_to_user", {"text": "We repair it."})
    if "<tool_succeeded>\ntool_name: get_order" in context:
        return "ask_human", {"question": "Refund EUR 189 for order A-4711?"}
    return "get_order", {"order": "A-4711"}


def get_order(order: str) -> dict[str, Any]:
    """Return an order."""
    return {"order": order, "article": "grinder", "eur": 189}


def pay_refund(eur: int) -> str:
    """Pay money back."""
    print(f"EUR {eur} are paid")
    return "paid"


def respond_to_user(text: str) -> None:
    """Tell the user what was decided; this completes the run."""
    print(text)


TOOLS = {function.__name__: function for function in (get_order, pay_refund, respond_to_user)}


def work(history: History) -> None:
    """Do one step after the other, until the user has an answer or a human is asked."""
    name = ""
    while name not in ("respond_to_user", "ask_human"):
        name, arguments = next_step(history)
        history.add(ToolRequested, tool_name=name, tool_args=arguments)
        if name != "ask_human":  # a human answers later, to another process
            history.add(ToolSucceeded, tool_name=name, result=TOOLS[name](**arguments))


def start(emitter: Emitter, text: str) -> None:
    """Start a run, and work until it waits."""
    history = History(emitter, new_id(), [])
    history.add(RunStarted, agent_id="refund-desk")
    history.add(Input, tool="message_from_user", data={"text": text})
    work(history)
    print(f"Answer with: agent-runs answer {history.run_id} yes")


def resume(emitter: Emitter, run_id: str) -> None:
    """Continue a run that has its answer."""
    with SyncReader() as reader:
        events = [stored.event for stored in reader.get_run_events(run_id)]
    if not isinstance(events[-1], ToolSucceeded):
        sys.exit(f"run {run_id} has no answer yet")
    work(History(emitter, run_id, events))


def main() -> None:
    """Start a run, or resume one."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    with Emitter() as emitter:
        match sys.argv[1:]:
            case ["resume", run_id]:
                resume(emitter, run_id)
            case [text]:
                start(emitter, text)
            case _:
                sys.exit(f"usage: {sys.argv[0]} TEXT | resume RUN_ID")


if __name__ == "__main__":
    main()
