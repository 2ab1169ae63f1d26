"""A plain agent: it hears a question, asks its model, calls a tool, and answers.

    make up && set -a && . .local/env && set +a
    .venv/bin/python -m consumer create-topic
    .venv/bin/python examples/plain_agent.py "How warm is it in Lyon?"

Without `KAFKA_BOOTSTRAP_SERVERS` it works all the same, and its events are counted as dropped.
"""

import logging
import sys
from collections.abc import Callable
from typing import Any

from agent_runs import Emitter, Run

SYSTEM_PROMPT = "You answer questions about the weather. Tools: weather(city)."


def ask_model(run: Run, prompt: str) -> dict[str, Any]:
    """A model would think here for some seconds. This one has an opinion at once."""
    city = prompt.rstrip("?").split()[-1]
    answer = {"tool": "weather", "args": {"city": city}}
    run.llm_called(model="example-1", system_prompt=SYSTEM_PROMPT, user_prompt=prompt, raw_response=repr(answer))
    return answer


def weather(city: str) -> dict[str, Any]:
    """A tool."""
    if city == "Atlantis":
        raise LookupError("no weather station is known there")
    return {"city": city, "celsius": 21.5, "sky": "clear"}


TOOLS: dict[str, Callable[..., dict[str, Any]]] = {"weather": weather}


def answer(run: Run, question: str) -> str:
    """One run: everything that it does is an event."""
    run.input("message_from_user", {"text": question})
    wish = ask_model(run, question)
    with run.tool(wish["tool"], wish["args"]) as call:  # requested; then succeeded, or failed if it raises
        call.result = TOOLS[wish["tool"]](**wish["args"])
    text = f"It is {call.result['celsius']} °C in {call.result['city']}."
    with run.tool("respond_to_user", {"text": text}):
        print(text)
    return text


def main() -> None:
    """Answer the question of the command line."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    question = " ".join(sys.argv[1:]) or "How warm is it in Lyon?"
    with Emitter() as emitter, emitter.start_run(agent_id="weather-desk") as run:
        answer(run, question)
    print(f"run {run.id}: {emitter.stats().sent} events are in Kafka")


if __name__ == "__main__":
    main()
