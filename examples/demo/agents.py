"""Scripted agents that publish their runs with the emitter, as real agents do.

Random numbers determine what models, tools and humans answer: the same seed gives the same conversation.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from agent_runs import Emitter, Run, new_id

Sleep = Callable[[float], Awaitable[object]]

CALL_S = (0.02, 0.4)  # a call of a model or a tool; real ones take longer, but the demo has to end within a minute
HUMAN_S = (0.8, 2.0)  # the time until a human answers
MODELS = ("claude-sonnet-4-5", "gpt-5-mini", "mistral-large-2512")


class ToolError(Exception):
    """A tool failed."""


@dataclass(frozen=True, slots=True)
class Agent:
    """One run of an agent, with the random numbers and the sleep function that drive it.

    Attributes:
        messages: the prompt of the next call of a model: what was said so far, and what tools returned.
    """

    run: Run
    dice: Random
    sleep: Sleep
    messages: list[dict[str, Any]] = field(default_factory=list)

    def hear(self, text: str) -> None:
        """Publish a message of the user."""
        self.run.input("message_from_user", {"text": text})
        self.messages.append({"role": "user", "content": text})

    async def ask_model(self, system_prompt: str, answer: dict[str, Any]) -> None:
        """Publish one call of a model, with this answer."""
        await self.sleep(self.dice.uniform(*CALL_S))
        self.run.llm_called(
            model=self.dice.choice(MODELS),
            system_prompt=system_prompt,
            user_prompt=self.messages,
            raw_response=json.dumps(answer, ensure_ascii=False),
        )
        self.messages.append({"role": "assistant", "content": answer})

    async def call_tool(self, name: str, args: dict[str, Any], result: Any) -> None:
        """Publish one call of a tool. If `result` is an exception, it is raised, and the call fails."""
        async with self.run.tool(name, args) as call:
            await self.sleep(self.dice.uniform(*CALL_S))
            if isinstance(result, Exception):
                raise result
            call.result = result
        self.messages.append({"role": "tool", "name": name, "content": result})

    async def ask_human(self, question: str, *, probability: float = 1.0) -> bool:
        """Ask a human and wait; the run's status is `waiting` until the answer.

        Args:
            question: what the human has to decide.
            probability: that the human answers. The answer is always "yes".

        Returns:
            Whether the human has answered.
        """
        self.run.tool_requested("ask_human", {"question": question})
        await self.sleep(self.dice.uniform(*HUMAN_S))
        answered = self.dice.random() < probability
        if answered:
            self.run.input("human_response", {"approved": True, "by": "amélie@example.org"})
        return answered


RESEARCHER_PROMPT = """\
You are a market researcher. Search before you answer. Say "I don't know" rather than guess.
Tools: web_search(query), read_page(url), respond_to_user(text).
"""
FINDINGS = {
    "Which night trains start from Zürich this winter?": "Six lines leave Zürich HB in the evening, from CHF 69.",
    "How much did the price of battery storage fall?": "The average fell by about a fifth within a year.",
    "東京で人気のある再生紙メーカーはどこですか？": "上位三社で市場の六割を占めています。 🗞️",
    "Do our competitors offer a free tier?": "Three of five do, with at most 1,000 runs a month.",
}


async def answer_question(agent: Agent) -> None:
    """market-researcher: a user asks one question."""
    await research(agent, agent.dice.choice(list(FINDINGS)))


async def research(agent: Agent, question: str) -> str:
    """Search, read and answer. For some pages the tool call fails, and then the run fails."""
    finding = FINDINGS[question]
    agent.hear(question)
    agent.run.context_assembled({"history": [question], "tools": ["web_search", "read_page"]})
    await agent.ask_model(RESEARCHER_PROMPT, {"thought": "I need sources first.", "tool": "web_search"})
    await agent.call_tool("web_search", {"query": question}, {"hits": [{"url": "https://example.org/1"}]})
    await agent.ask_model(RESEARCHER_PROMPT, {"thought": "The first page looks right.", "tool": "read_page"})
    timed_out = ToolError("example.org did not answer within 10 s") if agent.dice.random() < 0.15 else None
    await agent.call_tool("read_page", {"url": "https://example.org/1"}, timed_out or {"text": finding})
    await agent.ask_model(RESEARCHER_PROMPT, {"thought": "That answers it.", "tool": "respond_to_user"})
    await agent.call_tool("respond_to_user", {"text": finding}, {"delivered": True})
    return finding


PLANNER_PROMPT = """\
You write short reports. Split the request into questions, give each one to a researcher, and join the answers.
Tools: spawn_agent(agent, task), ask_human(question), respond_to_user(text).
"""


async def plan_report(agent: Agent) -> None:
    """report-planner: gives two questions to child runs, and asks a human before it sends the report."""
    questions = agent.dice.sample(list(FINDINGS), k=2)
    agent.hear("A page for Monday, please: " + " ".join(questions))
    await agent.ask_model(PLANNER_PROMPT, {"questions": questions})
    findings = []
    for question in questions:
        async with agent.run.tool("spawn_agent", {"agent": "market-researcher", "task": question}) as call:
            call.result = await research_in_child_run(agent, question)
        findings.append(call.result)
    await agent.ask_human("Shall I send the page as it is?")
    await agent.call_tool("respond_to_user", {"text": "\n".join(findings)}, {"delivered": True})


async def research_in_child_run(agent: Agent, question: str) -> str:
    """Answer a question in a child run of this agent's run. When the child run fails, this run fails too."""
    async with agent.run.child(agent_id="market-researcher") as run:
        return await research(Agent(run, agent.dice, agent.sleep), question)


REFUND_PROMPT = """\
You work at the refund desk of a shop for coffee machines. Above EUR 50, ask a human and do what they say.
Tools: find_order(order), ask_human(question), refund(order, amount_eur), respond_to_user(text).
"""
COMPLAINTS = {
    "the grinder screams like a jet engine ✈️": 189,
    "the cup holder came broken": 14,
    "I got the 110 V model, we live in Lyon…": 420,
    "die Milchdüse tropft seit dem ersten Tag": 38,
}


async def refund(agent: Agent) -> None:
    """refund-desk: asks a human before it refunds a large amount; a third of the humans do not answer."""
    complaint, amount_eur = agent.dice.choice(list(COMPLAINTS.items()))
    order = f"A-{agent.dice.randrange(10_000, 99_999)}"
    agent.hear(f"Order {order}: {complaint}. I want my money back.")
    await agent.call_tool("find_order", {"order": order}, {"order": order, "amount_eur": amount_eur, "paid": "card"})
    await agent.ask_model(REFUND_PROMPT, {"ask_human": amount_eur > 50})
    if amount_eur > 50 and not await agent.ask_human(f"Refund EUR {amount_eur} for {order}?", probability=0.67):
        return  # the run stays in the status `waiting`
    await agent.call_tool("refund", {"order": order, "amount_eur": amount_eur}, {"status": "booked"})
    text = f"EUR {amount_eur} are on their way back to your card."
    await agent.call_tool("respond_to_user", {"text": text}, {"delivered": True})


# Each agent's script, and its share of the conversations.
AGENTS: dict[str, tuple[Callable[[Agent], Awaitable[None]], int]] = {
    "report-planner": (plan_report, 2),
    "market-researcher": (answer_question, 4),
    "refund-desk": (refund, 6),
}


async def converse(emitter: Emitter, dice: Random, sleep: Sleep = asyncio.sleep) -> None:
    """Run one conversation. The random numbers decide which agent it is and what happens."""
    (agent_id,) = dice.choices(list(AGENTS), weights=[share for _, share in AGENTS.values()])
    script, _ = AGENTS[agent_id]
    # At its end, the `with` block publishes `run_completed` or `run_failed`, unless the run waits or has ended.
    with contextlib.suppress(ToolError):
        async with emitter.start_run(agent_id=agent_id, session_id=new_id()) as run:
            await script(Agent(run, dice, sleep))
