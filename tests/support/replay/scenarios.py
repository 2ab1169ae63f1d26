"""Agents with parallel tools and sub-agents, which are recorded once and replayed after a change, with random delays.

A scenario counts the answers of the replay: right, if the answer is that of the call that the agent means; wrong, if it
is another call's; missed, if the recording has refused the call.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from agent_runs.emitter import Run
from agent_runs.replay import Divergence, Recording, ToolRule
from agent_runs.testing import RecordingEmitter

RULES = {"charge": ToolRule(ignore=("request_id",))}


class Calls(Protocol):
    """Makes the calls of an agent. `label` identifies a call: its answer is `answer of LABEL`."""

    rng: Random

    async def llm(self, label: str, system: str, prompt: str) -> str: ...

    async def tool(self, label: str, name: str, arguments: Any) -> str: ...


@dataclass
class RecordedCalls:
    """Makes the calls and records them."""

    run: Run
    rng: Random

    async def llm(self, label: str, system: str, prompt: str) -> str:
        async with self.run.llm(model="m", system_prompt=system, user_prompt=prompt) as call:
            await delay(self.rng)
            call.raw_response = f"answer of {label}"
        return f"answer of {label}"

    async def tool(self, label: str, name: str, arguments: Any) -> str:
        async with self.run.tool(name, arguments) as call:
            await delay(self.rng)
            call.result = f"answer of {label}"
        return f"answer of {label}"


@dataclass
class ReplayedCalls:
    """Answers the calls from a recording, and counts the answers."""

    recording: Recording
    rng: Random
    counts: Counter[str] = field(default_factory=Counter)

    async def llm(self, label: str, system: str, prompt: str) -> str:
        await delay(self.rng)
        return self._count(label, lambda: self.recording.llm(model="m", system_prompt=system, user_prompt=prompt))

    async def tool(self, label: str, name: str, arguments: Any) -> str:
        await delay(self.rng)
        return self._count(label, lambda: self.recording.tool(name, arguments))

    def _count(self, label: str, ask: Callable[[], str]) -> str:
        expected = f"answer of {label}"
        try:
            answer = ask()
        except Divergence:
            self.counts["missed"] += 1
            return expected
        self.counts["right" if answer == expected else "wrong"] += 1
        return answer


async def delay(rng: Random) -> None:
    """Let other tasks run, a random number of times."""
    for _ in range(rng.randrange(6)):
        await asyncio.sleep(0)


Agent = Callable[[Calls], Awaitable[None]]


async def booking(  # the changes of the scenarios
    calls: Calls, *, system: str = "v1", cities: str = "abc", extra: bool = False, request_id: int = 1
) -> None:
    """A sequential agent with three parallel tools; every prompt repeats the history."""
    history = "plan"
    history += await calls.llm("plan", system, history)
    found = await asyncio.gather(*(calls.tool(f"search {city}", "search", {"city": city}) for city in cities))
    history += "".join(sorted(found))
    history += await calls.llm("choose", system, history)
    for number in (1, 2):  # the same call twice, with two answers
        history += await calls.tool(f"clock {number}", "clock", {})
    if extra:
        await calls.tool("weather", "weather", {"city": "a"})
    history += await calls.tool("charge", "charge", {"amount": 10, "request_id": request_id})
    await calls.llm("end", system, history)


async def sub_agent(calls: Calls, name: str, system: str) -> str:
    history = f"{name}: "
    for step in (1, 2):
        history += await calls.llm(f"{name} {step}", system, history)
        history += await calls.tool(f"{name} look up {step}", "look_up", {"of": name, "step": step})
    return history


async def sub_agents(calls: Calls, *, system: str = "v1") -> None:
    """An agent whose three sub-agents run in parallel, all with the same model."""
    history = await calls.llm("split", "v1", "split")
    found = await asyncio.gather(*(sub_agent(calls, name, system) for name in ("ada", "bob", "eve")))
    await calls.llm("join", "v1", history + "".join(found))


async def player(calls: Calls, name: str, system: str) -> str:
    history = f"{name}: " + await calls.llm(f"{name} begins", system, f"{name}: ")
    for number in (1, 2):  # the same call in each player, with another answer each time
        history += await calls.tool(f"{name} rolls {number}", "dice", {})
    return history + await calls.llm(f"{name} ends", system, history)


async def players(calls: Calls, *, system: str = "v1") -> None:
    """An agent whose three parallel parts make equal calls."""
    await asyncio.gather(*(player(calls, name, system) for name in ("ada", "bob", "eve")))


# By name: the recorded agent and the changed one.
SCENARIOS: dict[str, tuple[Agent, Agent]] = {
    "unchanged, three parallel tools": (booking, booking),
    "unchanged, parallel sub-agents": (sub_agents, sub_agents),
    "unchanged, equal calls in parallel parts": (players, players),
    "tools in another order": (booking, lambda calls: booking(calls, cities="cba")),
    "another system prompt": (booking, lambda calls: booking(calls, system="v2")),
    "a tool call dropped": (booking, lambda calls: booking(calls, cities="ab")),
    "a tool call added": (booking, lambda calls: booking(calls, extra=True)),
    "a volatile argument": (booking, lambda calls: booking(calls, request_id=2)),
    "parallel sub-agents, another system prompt": (sub_agents, lambda calls: sub_agents(calls, system="v2")),
}


def replay(scenario: str, seed: int) -> Counter[str]:
    """Record the agent of a scenario, replay the changed one, and return the counts of the answers."""
    recorded, changed = SCENARIOS[scenario]
    emitter = RecordingEmitter()
    run = emitter.start_run(agent_id="agent")
    asyncio.run(_run(recorded, RecordedCalls(run, Random(seed))))
    replayed = ReplayedCalls(Recording(emitter.events(run.id), tools=RULES), Random(seed + 1_000_000))
    asyncio.run(_run(changed, replayed))
    return replayed.counts


async def _run(agent: Agent, calls: Calls) -> None:
    await agent(calls)
