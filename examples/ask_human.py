"""A run that waits for a human: one process starts it, another process resumes it.

    .venv/bin/python examples/ask_human.py               # asks, prints the run's id and ends; the run is `waiting`
    .venv/bin/python examples/ask_human.py RUN_ID yes    # publishes the human's answer; the run is `completed`

Set up the environment as for plain_agent.py.
"""

import logging
import sys

from agent_runs import Emitter

QUESTION = "Refund EUR 189 for order A-4711?"


def ask(emitter: Emitter) -> None:
    """Start a run and ask a human.

    The `with` block publishes `run_completed` at its end only if the run is still running. This run waits, so it stays
    open.
    """
    with emitter.start_run(agent_id="refund-desk") as run:
        run.input("message_from_user", {"text": "The grinder screams. I want my money back."})
        run.tool_requested("ask_human", {"question": QUESTION})
    print(f"{QUESTION} Answer with: {sys.executable} {sys.argv[0]} {run.id} yes")


def resume(emitter: Emitter, run_id: str, decision: str) -> None:
    """Continue the run in this process. Its events follow those of the first process in the same run."""
    with emitter.run(run_id) as run:
        run.tool_succeeded("ask_human", {"answer": decision})
        text = "Your money is on its way." if decision == "yes" else "We would rather repair it."
        with run.tool("respond_to_user", {"text": text}):
            print(text)


def main() -> None:
    """Ask, or resume with the answer from the command line."""
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
