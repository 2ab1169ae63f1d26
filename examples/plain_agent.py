"""A simple agent: it receives a question, asks its model, calls a tool, and answers.

    make up && set -a && . .local/env && set +a
    .venv/bin/python -m consumer create-topic
    .venv/bin/python examples/plain_agent.py "How warm is it in Lyon?"

Without `KAFKA_BOOTSTRAP_SERVERS` the agent works as well; the emitter counts its events as dropped.
"""

import logging
import sys
from collections.abc import Callable
from typing import Any

from agent_runs import Emitter, Run

SYSTEM_PROMPT = "You answer questions about the weather. Tools: weather(city)."


def ask_model(run: Run, prompt: str) -> dict[str, Any]:
    """Publish a call of a model. A real agent calls its model here; this one takes the last word as the city."""
    city = prompt.rstrip("?").split()[-1]
    answer = {"tool": "weather", "args": {"city": city}}
    with run.llm("example-1", prompt, SYSTEM_PROMPT) as call:  # publishes `llm_called` at its end, with the duration
        call.raw_response = answer
    return answer


def weather(city: str) -> dict[str, Any]:
    """A tool: it returns a result or raises an exception."""
    if city == "Atlantis":
        raise LookupError("no weather station is known there")
    return {"city": city, "celsius": 21.5, "sky": "clear"}


TOOLS: dict[str, Callable[..., dict[str, Any]]] = {"weather": weather}


def answer(run: Run, question: str) -> str:
    """Answer one question, and publish each step as an event of the run."""
    run.input("message_from_user", {"text": question})
    choice = ask_model(run, question)
    # The block publishes `tool_requested`, then `tool_succeeded`, or `tool_failed` after an exception.
    with run.tool(choice["tool"], choice["args"]) as call:
        call.result = TOOLS[choice["tool"]](**choice["args"])
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
