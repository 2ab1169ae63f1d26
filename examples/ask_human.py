"""A run that waits for a human, paused in one process and resumed in another.

    .venv/bin/python examples/ask_human.py               # asks, prints the run's id, and ends: the run is `waiting`
    .venv/bin/python examples/ask_human.py RUN_ID yes    # the human has answered: the run goes on, and completes

With the environment of plain_agent.py.
"""

import logging
import sys

from agent_runs import Emitter

QUESTION = "Refund EUR 189 for order A-4711?"


def ask(emitter: Emitter) -> None:
    """Work until a human has to decide. The run is left as it is: waiting is not its end."""
    with emitter.start_run(agent_id="refund-desk") as run:
        run.input("message_from_user", {"text": "The grinder screams. I want my money back."})
        run.tool_requested("ask_human", {"question": QUESTION})
    print(f"{QUESTION} Answer with: {sys.executable} {sys.argv[0]} {run.id} yes")


def resume(emitter: Emitter, run_id: str, decision: str) -> None:
    """Take the run up: to everybody who reads it, it is one run."""
    with emitter.run(run_id) as run:
        run.tool_succeeded("ask_human", {"answer": decision})
        text = "Your money is on its way." if decision == "yes" else "We would rather repair it."
        with run.tool("respond_to_user", {"text": text}):
            print(text)


def main() -> None:
    """Ask, or go on with the answer."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    with Emitter() as emitter:
        match sys.argv[1:]:
            case [run_id, decision]:
                resume(emitter, run_id, decision)
            case []:
                ask(emitter)
            case _:
                sys.exit(f"usage: {sys.argv[0]} [RUN_ID yes|no]")


if __name__ == "__main__":
    main()
