"""Random agents with parallel parts, child runs and nested tools, which are recorded and replayed with random delays.

A step has a label, and its recorded answer is the label; so a replay shows whether each answer is that of its own call.
Names and arguments repeat, but each part begins with a call that no other part makes: parts that begin alike cannot be
told apart.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextvars import Context
from random import Random
from typing import Any, NamedTuple

from agent_runs.emitter import Run
from agent_runs.replay import Divergence, Recording
from agent_runs.testing import RecordingEmitter


class Step(NamedTuple):
    """A call, or parts that run in parallel, or a child run.

    Attributes:
        kind: `llm`, `tool`, `parallel` or `child`.
        label: names the step.
        content: the prompt, the arguments of the tool, or the input of the child run.
        parts: the steps of the parallel parts, of the child run, or those that a tool makes itself.
    """

    kind: str
    label: str
    content: Any = None
    parts: tuple[tuple["Step", ...], ...] = ()


def random_agent(rng: Random, depth: int = 3, label: str = "r") -> tuple[Step, ...]:
    """Return the steps of an agent."""
    steps = [Step("tool", f"{label}.begin", {"of": label})]
    for number in range(rng.randrange(1, 5)):
        name = f"{label}.{number}"
        kind = rng.choice(["llm", "llm", "tool", "tool", *(["parallel", "child", "nested"] if depth else [])])
        parts = [random_agent(rng, depth - 1, f"{name}.{part}") for part in range(3)] if depth else []
        match kind:
            case "llm":
                steps.append(Step("llm", name, rng.choice([f"prompt {rng.randrange(4)}", f"prompt {name}"])))
            case "tool":
                steps.append(Step("tool", name, rng.choice([{}, {"x": rng.randrange(3)}, {"of": name}])))
            case "parallel":
                steps.append(Step("parallel", name, parts=tuple(parts[: rng.randrange(2, 4)])))
            case "child":
                steps.append(Step("child", name, rng.choice([None, "task", f"task {name}"]), tuple(parts[:1])))
            case "nested":
                steps.append(Step("tool", name, {}, tuple(parts[:1])))
    return tuple(steps)


def record(agent: Sequence[Step], seed: int) -> Recording:
    """Run an agent, and return its recording."""
    emitter = RecordingEmitter()
    run_id = Context().run(_play, emitter, agent, _Player(Random(seed)), None)
    return _recording_of(emitter, [run_id])


def _play(emitter: RecordingEmitter, agent: Sequence[Step], player: "_Player", recording: Recording | None) -> str:
    with emitter.start_run(agent_id="agent", recording=recording) as run:
        asyncio.run(player.play(run, agent))
    return run.id


def _recording_of(emitter: RecordingEmitter, run_ids: list[str]) -> Recording:
    recording = Recording([event for run_id in run_ids for event in emitter.events(run_id)], run_id=run_ids)
    parents = {run_id: getattr(emitter.events(run_id)[0], "parent_run_id", None) for run_id in emitter.run_ids}
    children = [run_id for run_id, parent in parents.items() if parent in run_ids]
    if children:
        recording.children["part"] = _recording_of(emitter, children)
    return recording


def replay(recording: Recording, agent: Sequence[Step], seed: int, *, version: str = "") -> Counter[str]:
    """Replay an agent, and count the answers: right, wrong or refused. `version` is put before each prompt."""
    player = _Player(Random(seed), version, recording)
    Context().run(_play, RecordingEmitter(), agent, player, recording)
    return player.counts


class _Player:
    def __init__(self, rng: Random, version: str = "", recording: Recording | None = None) -> None:
        self.counts = Counter[str]()
        self._rng = rng
        self._version = version
        self._recording = recording

    async def play(self, run: Run, steps: Sequence[Step]) -> None:
        """Make the calls of some steps."""
        for step in steps:
            await self._wait()
            if step.kind == "parallel":
                await asyncio.gather(*(self.play(run, part) for part in step.parts))
            elif step.kind == "child":
                with run.child(agent_id="part") as child:
                    if step.content is not None:
                        child.input("task", step.content)
                    await self.play(child, step.parts[0])
            else:
                await self._count(run, step)

    async def _count(self, run: Run, step: Step) -> None:
        try:
            answer = await self._call(run, step)
        except Divergence:
            self.counts["refused"] += 1
        else:
            self.counts["right" if answer == step.label else "wrong"] += 1

    async def _call(self, run: Run, step: Step) -> str:
        async def act() -> str:
            assert self._recording is None
            await self._wait()
            for part in step.parts:
                await self.play(run, part)
            return step.label

        if step.kind == "llm":
            with run.llm("m", f"{self._version}{step.content}") as model_call:
                answer: str = await model_call.answer_async(act)
                return answer
        with run.tool("t", step.content) as tool_call:
            result: str = await tool_call.answer_async(act)
            return result

    async def _wait(self) -> None:
        for _ in range(self._rng.randrange(4)):
            await asyncio.sleep(0)
