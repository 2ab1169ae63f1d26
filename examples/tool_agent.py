"""An agent that calls the tools its model asks for; and its stored runs, replayed against another system prompt.

    .venv/bin/python examples/tool_agent.py                                 # two runs; prints their ids
    .venv/bin/python examples/tool_agent.py replay "You are brief." RUN_ID  # replays them, and prints what differs

Set up the environment as for plain_agent.py. To replay, a consumer must run, and DATABASE_URL must be set. A replay
calls neither the model nor a tool: nobody is paid a second time.
"""

import json
import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent_runs import Emitter, Input, Run
from agent_runs.reader import SyncReader
from agent_runs.replay import RecordedFailure, Recording

SYSTEM_PROMPT = "You are the refund desk of a shop. Look up the order before you pay a refund."

Message = dict[str, Any]  # as the chat interfaces of models have it


@dataclass(frozen=True)
class ToolAgent:
    """A loop over the answers of a model.

    Attributes:
        model: the name of the model.
        system_prompt: the first message of every prompt.
        call_model: returns the answer of the model to the messages: with `tool_calls`, or with the text for the user.
        tools: the functions that the model may call, by the name that the model uses.
        formats: how the model sees the results of a tool, by the name of the tool; by default a text, or JSON.
        last_tools: the tools that end the conversation.
        max_calls: the most calls of the model.
    """

    model: str
    system_prompt: str
    call_model: Callable[[list[Message]], Message]
    tools: Mapping[str, Callable[..., Any]]
    formats: Mapping[str, Callable[[Any], str]] = field(default_factory=dict)
    last_tools: frozenset[str] = frozenset()
    max_calls: int = 30

    def converse(self, run: Run, texts: Iterable[str]) -> list[Message]:
        """Answer one text of the user after the other, and return all messages."""
        messages: list[Message] = [{"role": "system", "content": self.system_prompt}]
        for text in texts:
            run.input("message_from_user", text)
            messages.append({"role": "user", "content": text})
            if "###STOP###" in text or not self._answer(run, messages):
                break
        return messages

    def _answer(self, run: Run, messages: list[Message]) -> bool:
        """Let the model call tools until it answers the user. Returns whether the conversation continues."""
        while sum(message["role"] == "assistant" for message in messages) < self.max_calls:
            messages.append(self._ask_model(run, messages))
            calls = messages[-1].get("tool_calls")
            if not calls:
                return True
            messages += [self._call_tool(run, call) for call in calls]
            if self.last_tools & {call["function"]["name"] for call in calls}:
                break
        return False

    def _ask_model(self, run: Run, messages: list[Message]) -> Message:
        with run.llm(self.model, _json(messages), self.system_prompt) as call:
            answer: Message = json.loads(call.answer(lambda: _json(self.call_model(messages))))
        return answer

    def _call_tool(self, run: Run, call: Message) -> Message:
        """Call a tool, or take its recorded result, and return the message for the model."""
        name, arguments = call["function"]["name"], json.loads(call["function"]["arguments"])
        function = self.tools[name]
        try:
            with run.tool(function.__name__, arguments) as tool_call:
                result = tool_call.answer(lambda: function(**arguments))
            content = self.formats.get(name, _as_text)(result)
        except (LookupError, RecordedFailure) as error:
            content = f"failed: {error}"
        return {"role": "tool", "tool_call_id": call["id"], "name": name, "content": content}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _as_text(result: Any) -> str:
    return result if isinstance(result, str) else _json(result)


# --- a refund desk ---


def get_order(order: str) -> dict[str, Any]:
    """Return an order."""
    if order != "A-4711":
        raise LookupError(f"there is no order {order}")
    return {"order": order, "article": "grinder", "eur": 189}


def pay_refund(order: str, eur: int) -> str:
    """Pay money back: a side effect that a replay must not repeat."""
    print(f"EUR {eur} are paid for {order}")
    return "paid"


def call_model(messages: list[Message]) -> Message:
    """Return the answer of the model. A real agent calls its model here; this one follows a script."""
    last = messages[-1]
    match last.get("name"), last["content"]:
        case "get_order", content if not content.startswith("failed"):
            order = json.loads(content)
            return _tool_call("pay_refund", order=order["order"], eur=order["eur"])
        case "pay_refund", _:
            return {"role": "assistant", "content": "Your money is on its way."}
        case None, text:
            return _tool_call("get_order", order=text.split()[-1].rstrip("."))
    return {"role": "assistant", "content": "I cannot find this order."}


def _tool_call(name: str, **arguments: Any) -> Message:
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": function}]}


def refund_desk(system_prompt: str) -> ToolAgent:
    """Return the agent with this system prompt."""
    return ToolAgent("example-1", system_prompt, call_model, {"get_order": get_order, "pay_refund": pay_refund})


def work(emitter: Emitter) -> None:
    """Answer two users, and print the ids of their runs."""
    for text in ("I want my money back for A-4711.", "Refund order B-1."):
        with emitter.start_run(agent_id="refund-desk") as run:
            print(refund_desk(SYSTEM_PROMPT).converse(run, [text])[-1]["content"])
        print(f"run {run.id}")


def replay(emitter: Emitter, system_prompt: str, run_ids: list[str]) -> None:
    """Run the agent again with another system prompt and the recorded answers, and print the differences."""
    for run_id in run_ids:
        with SyncReader() as reader:
            events = list(reader.get_run_events(run_id))
        recording = Recording(events, run_id=run_id)
        texts = [stored.event.data for stored in events if isinstance(stored.event, Input)]
        with emitter.start_run(agent_id="refund-desk", recording=recording) as run:
            refund_desk(system_prompt).converse(run, texts)
        print(f"run {run.id} is a replay of {run_id}: {recording.finish()}")


def main() -> None:
    """Work, or replay runs."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    with Emitter() as emitter:
        match sys.argv[1:]:
            case []:
                work(emitter)
            case ["replay", system_prompt, *run_ids]:
                replay(emitter, system_prompt, run_ids)
            case _:
                sys.exit(f"usage: {sys.argv[0]} [replay SYSTEM_PROMPT RUN_ID…]")


if __name__ == "__main__":
    main()
