"""Run files as test data: they are loaded with their child runs, and a new recording changes few lines."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agent_runs import Run, ToolSucceeded, tool
from agent_runs.replay import Ambiguous, Divergence, Recording
from agent_runs.replay.recorded_files import load_recording, root_runs, write_recorded
from agent_runs.run_file import RunFile
from agent_runs.testing import RecordingEmitter


@tool
def look_up(name: str) -> str:
    return f"found {name}"


async def part(run: Run, name: str, version: str) -> str:
    """A sub-agent, as one of several that run in parallel."""
    async with run.child(agent_id="part") as child:
        async with child.llm("m", f"{name} {version}") as call:
            await asyncio.sleep(0)
            answer: str = call.answer(lambda: f"answer for {name}")
        return answer + look_up(name)


async def work(run: Run, version: str = "v1") -> list[Any]:
    names = ("ada", "bob", "eve")
    return await asyncio.gather(*(part(run, name, version) for name in names), return_exceptions=True)


def messages(emitter: RecordingEmitter) -> dict[str, list[bytes]]:
    return {
        run_id: [record.value for record in emitter.records if record.key == run_id.encode()]
        for run_id in emitter.run_ids
    }


async def record(path: Path) -> list[Any]:
    emitter = RecordingEmitter()
    with emitter.start_run(agent_id="agent") as run:
        found = await work(run)
    write_recorded(path, messages(emitter))
    return found


async def test_child_runs_of_one_agent_are_answered_by_content_and_a_changed_prompt_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "agent.jsonl"
    found = await record(path)
    (run_id,) = root_runs(path)
    emitter = RecordingEmitter()

    recording = load_recording(path, run_id, {"strict": True})
    assert await work(emitter.start_run(agent_id="agent", recording=recording)) == found
    assert recording.finish().is_clean
    assert recording.children["part"].report().is_clean

    recording = load_recording(path, run_id, {})
    refused = await work(emitter.start_run(agent_id="agent", recording=recording), "v2")
    assert [type(each) for each in refused] == [Ambiguous] * 3
    with pytest.raises(Divergence, match="not clear which one is meant"):
        recording.finish()


async def test_the_children_of_a_run_are_loaded_from_any_source_of_runs(tmp_path: Path) -> None:
    await record(tmp_path / "agent.jsonl")
    recording = await Recording.load(RunFile(tmp_path / "agent.jsonl"), "agent", until=0)

    assert list(recording.children) == ["part"]
    assert recording.children["part"].tool("look_up", {"name": "eve"}) == "found eve"


async def test_recording_a_run_twice_gives_the_same_file(tmp_path: Path) -> None:
    files = [tmp_path / "a" / "run.jsonl", tmp_path / "b" / "run.jsonl"]
    for file in files:
        await record(file)

    assert files[0].read_bytes() == files[1].read_bytes()


def test_every_text_is_recorded_exactly(tmp_path: Path) -> None:
    emitter = RecordingEmitter()
    texts = ["é ☃ 𝄞", "\ud800 lone", "\x00\u2028", "1.0"]
    for text in texts:
        emitter.run("run").tool_succeeded("t", text)
    write_recorded(tmp_path / "run.jsonl", messages(emitter))

    async def read() -> list[Any]:
        events = [stored.event async for stored in RunFile(tmp_path / "run.jsonl").get_run_events("run")]
        return [event.result for event in events if isinstance(event, ToolSucceeded)]

    assert asyncio.run(read()) == texts
