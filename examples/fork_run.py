"""A stored run is forked before its second model call, and continues with another prompt; nothing is booked twice.

    .venv/bin/python examples/fork_run.py                           # books a meeting; prints the id of the run
    agent-runs show RUN_ID                                          # the numbers of its events
    agent-runs fork RUN_ID --until 4                                # prints the id of the fork
    .venv/bin/python examples/fork_run.py FORK_ID "Be formal."      # continues from there with another prompt

Set up the environment as for plain_agent.py. To fork, a consumer must run, and DATABASE_URL must be set.
"""

import logging
import sys

from agent_runs import Emitter, Run
from agent_runs.reader import SyncReader
from agent_runs.replay import Recording, fork_origin

MODEL = "example-1"


def call_model(prompt: str) -> str:
    """Stand in for a model."""
    print(f"the model is called: {prompt}")
    if prompt.startswith("Choose"):
        return "Tuesday, 10:00"
    return "Dear Ada, I confirm our meeting." if "formal" in prompt else "See you, Ada!"


def book(slot: str) -> dict[str, str]:
    """Stand in for a tool with a side effect."""
    print(f"booked: {slot}")
    return {"booked": slot}


def schedule(run: Run, style: str) -> None:
    """Choose a slot, book it, and write to the guest.

    In a fork, the recording of the run answers the calls up to the event of the fork; their functions are not called.
    """
    with run:
        run.input("message_from_user", "A meeting with Ada, please.")
        prompt = "Choose a slot for Ada."
        with run.llm(MODEL, prompt) as choice:
            slot = choice.answer(lambda: call_model(prompt))
        with run.tool("book", {"slot": slot}) as booking:
            booking.answer(lambda: book(slot))
        closing = f"Confirm {slot} to Ada. {style}"
        with run.llm(MODEL, closing) as letter:
            text = letter.answer(lambda: call_model(closing))
        run.run_completed(text)
        print(text)


def continue_fork(emitter: Emitter, fork_id: str, style: str) -> None:
    """Take up a fork that `agent-runs fork` has started."""
    with SyncReader() as reader:
        fork = reader.get_run(fork_id)
        origin = fork_origin(fork.events) if fork else None
        if fork is None or origin is None:
            sys.exit(f"{fork_id} is not stored, or is not a fork")
        recorded = reader.get_run(origin.run_id)
    if recorded is None:
        sys.exit(f"the run {origin.run_id} is not stored")
    recording = Recording(recorded.events, run_id=origin.run_id, until=origin.until)
    schedule(emitter.run(fork_id, history=fork, recording=recording), style)
    print(recording.finish())


def main() -> None:
    """Start a run, or take up a fork."""
    logging.basicConfig(level=logging.WARNING)
    with Emitter() as emitter:
        if len(sys.argv) > 1:
            continue_fork(emitter, sys.argv[1], sys.argv[2])
            return
        run = emitter.start_run(agent_id="scheduler")
        schedule(run, "Be brief.")
        print(f"run {run.id}")


if __name__ == "__main__":
    main()
