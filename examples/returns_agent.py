"""A returns desk in asyncio: its model requests tools, two of them at once; one tool fails, another asks a human.

It has two versions. `returns_agent_bare.py` publishes nothing; `returns_agent.py` publishes its run. Their difference:

    diff examples/returns_agent_bare.py examples/returns_agent.py

Set up the environment as for plain_agent.py, and run it:

    .venv/bin/python examples/returns_agent.py "The grinder is too loud. I want to return it."
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from agent_runs import Emitter, current_run, tool

emitter = Emitter()
Calls = list[tuple[str, dict[str, Any]]]
SYSTEM_PROMPT = (
    "You decide about returns. Tools: find_order, find_customer, check_warranty, ask_human, respond_to_user."
)


async def ask_model(messages: list[dict[str, str]]) -> Calls:
    """Return the next tool calls. A real agent calls its model here; this one counts the answers of the tools."""
    await asyncio.sleep(0.02)
    match sum(message["role"] == "tool" for message in messages):
        case 0:
            return [("find_order", {"order": "A-4711"}), ("find_customer", {"name": "Ada"})]
        case 2:
            return [("check_warranty", {"order": "A-4711"})]
        case 3:
            return [("ask_human", {"question": "Take back order A-4711 for EUR 189?"})]
    return [("respond_to_user", {"text": "Send it back; the label is in your mail."})]


async def find_order(order: str) -> dict[str, Any]:
    """Return an order."""
    await asyncio.sleep(0.03)
    return {"order": order, "article": "grinder", "eur": 189}


async def find_customer(name: str) -> dict[str, Any]:
    """Return a customer."""
    await asyncio.sleep(0.01)
    return {"name": name, "orders": 12}


async def check_warranty(order: str) -> dict[str, Any]:
    """Raise an exception, as a service that is down."""
    raise TimeoutError(f"the warranty service did not answer for {order} within 3 s")


async def ask_human(question: str) -> dict[str, Any]:
    """Return the answer of a colleague."""
    await asyncio.sleep(0.05)
    return {"question": question, "approved": True}


async def respond_to_user(text: str) -> dict[str, Any]:
    """Deliver the answer."""
    print(text)
    return {"delivered": True}


Tool = Callable[..., Awaitable[Any]]
FUNCTIONS: tuple[Tool, ...] = (find_order, find_customer, check_warranty, ask_human, respond_to_user)
TOOLS: dict[str, Tool] = {function.__name__: tool(function) for function in FUNCTIONS}


async def call_tool(name: str, arguments: dict[str, Any]) -> str:
    """Call a tool. Its answer, or its error, is text for the model."""
    try:
        return json.dumps(await TOOLS[name](**arguments))
    except TimeoutError as error:
        return f"failed: {error}"


@emitter.agent("returns-desk", input="message_from_user")
async def handle(question: str) -> None:
    """Let the model request tools until it has answered the user."""
    messages = [{"role": "system", "content": SYSTEM_PROMPT}, {"role": "user", "content": question}]
    calls: Calls = []
    while "respond_to_user" not in dict(calls):
        with current_run().llm("example-1", messages) as call:
            call.raw_response = calls = await ask_model(messages)
        messages.append({"role": "assistant", "content": json.dumps(calls)})
        answers = await asyncio.gather(*(call_tool(name, arguments) for name, arguments in calls))
        messages += [{"role": "tool", "content": answer} for answer in answers]


if __name__ == "__main__":
    asyncio.run(handle(" ".join(sys.argv[1:]) or "I want to return my grinder."))
