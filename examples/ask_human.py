"""A run that waits for a human, who answers with `agent-runs answer`, in one process or in two.

    .venv/bin/python examples/ask_human.py               # asks, prints the run's id and ends; the run is `waiting`
    .venv/bin/python examples/ask_human.py RUN_ID yes    # publishes the human's answer; the run is `completed`
    .venv/bin/python examples/ask_human.py wait          # asks, and continues when the answer is in the database

Set up the environment as for plain_agent.py. To resume or to wait, a consumer must run, and DATABASE_URL must be set.
"""

import json
import logging
import sys
from typing import Any

from agent_runs import Emitter, Run
from agent_runs.reader import SyncReader

QUESTION = "Refund EUR 189 for order A-4711?"
SYSTEM_PROMPT = "You work at the refund desk. Above EUR 50, ask a human and do what they say."
COMPLAINT = "The grinder screams. I want my money back."


def ask(emitter: Emitter) -> None:
    """Start a run and ask a human.

    The `with` block publishes `run_completed` at its end only if the run is still running. This run waits, so it stays
    open.
    """
    with emitter.start_run(agent_id="refund-desk") as run:
        run.input("message_from_user", {"text": COMPLAINT})
        run.tool_requested("ask_human", {"question": QUESTION})
    print(f"{QUESTION} Answer with: {sys.executable} {sys.argv[0]} {run.id} yes")


def resume(emitter: Emitter, run_id: str, decision: str) -> None:
    """Continue the run in this process, after the events that the first process published.

    The history gives the answer its parent: the question.
    """
    with SyncReader() as reader:
        run = emitter.run(run_id, history=reader)
    with run:
        run.tool_succeeded("ask_human", {"answer": decision})
        respond(run, decision)


def ask_and_wait(emitter: Emitter) -> None:
    """Ask a human, wait until the database has the answer, and continue."""
    with emitter.start_run(agent_id="refund-desk") as run:
        run.input("message_from_user", {"text": COMPLAINT})
        messages: list[dict[str, Any]] = [{"role": "user", "content": COMPLAINT}]
        ask_model(run, messages, answer={"tool": "ask_human", "question": QUESTION})
        question_id = run.tool_requested("ask_human", {"question": QUESTION})
        print(f"{QUESTION} Answer with: agent-runs answer {run.id} yes", flush=True)
        answer = wait_for_answer(run.id, question_id)
        messages.append({"role": "tool", "name": "ask_human", "content": answer})
        ask_model(run, messages, answer={"tool": "respond_to_user"})
        respond(run, answer["answer"])


def wait_for_answer(run_id: str, question_id: str) -> Any:
    """Return the result of the tool call that a human answers."""
    with SyncReader() as reader:
        for stored in reader.get_run_events(run_id, types=["tool_succeeded"], follow=True):
            if stored.event.parent_event_id == question_id:
                return getattr(stored.event, "result", None)
    raise AssertionError("the events of a run that is followed do not end")


def ask_model(run: Run, messages: list[dict[str, Any]], answer: dict[str, Any]) -> None:
    """Publish a call of a model. A real agent calls its model here."""
    run.llm_called(
        model="example-1", system_prompt=SYSTEM_PROMPT, user_prompt=messages, raw_response=json.dumps(answer)
    )


def respond(run: Run, decision: str) -> None:
    """Tell the user what was decided; this completes the run."""
    text = "Your money is on its way." if decision == "yes" else "We would rather repair it."
    with run.tool("respond_to_user", {"text": text}):
        print(text)


def main() -> None:
    """Ask, ask and wait, or resume with the answer from the command line."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    with Emitter() as emitter:
        match sys.argv[1:]:
            case [run_id, decision]:
                resume(emitter, run_id, decision)
            case ["wait"]:
                ask_and_wait(emitter)
            case []:
                ask(emitter)
            case _:
                sys.exit(f"usage: {sys.argv[0]} [wait | RUN_ID yes|no]")


if __name__ == "__main__":
    main()
