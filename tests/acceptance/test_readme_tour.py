"""The tour of README.md works as it is written there: its commands are read from the file and typed into a shell."""

import asyncio
import re
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.paths import CHECKOUT
from tests.support.scene import Scene
from tests.support.waiting import DEADLINE_S, until

TOUR = "## Read what agents did"
END_OF_COMMAND = "end of the command, exit code"
RUN_IS_UNKNOWN = "RUN=…"
REPEATS = "SELECT coalesce(sum(repeats), 0)::integer FROM consumer_offsets"


class Shell:
    """A shell in which commands are typed one after the other."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def type(self, command: str) -> str:
        """Type a command, which must succeed, and return what it prints."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f'{command}\necho "{END_OF_COMMAND} $?"\n'.encode())
        output = ""
        while END_OF_COMMAND not in output:
            line = await asyncio.wait_for(self._process.stdout.readline(), DEADLINE_S)
            assert line, f"the shell has ended in {command!r}: {output}"
            output += line.decode()
        assert output.endswith(f"{END_OF_COMMAND} 0\n"), f"{command}: {output}"
        return output.rpartition(END_OF_COMMAND)[0]


@asynccontextmanager
async def shell(folder: Path, environ: Mapping[str, str]) -> AsyncIterator[Shell]:
    process = await asyncio.create_subprocess_exec(
        "bash", cwd=folder, env=environ, stdin=PIPE, stdout=PIPE, stderr=STDOUT
    )
    try:
        yield Shell(process)
    finally:
        process.kill()
        await process.wait()


def tour() -> list[list[str]]:
    """The commands of each terminal of the tour."""
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8").partition(TOUR)[2].partition("\n## ")[0]
    return [block.splitlines() for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)]


async def test_the_tour_of_the_readme_works_as_typed(scene: Scene, tmp_path: Path) -> None:
    # Given a folder that looks like the checkout, a consumer, and the agent of the first terminal,
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "examples").symlink_to(CHECKOUT / "examples")
    ([start_agent], commands, audit) = tour()
    scene.start()
    agent = await asyncio.create_subprocess_shell(
        f"exec {start_agent}", cwd=tmp_path, env=scene.environ(AGENT_RUNS_EXIT_TIMEOUT_S="50"), stdout=PIPE, stderr=PIPE
    )
    try:
        await until(lambda: _asks(scene), "the agent's question is stored")
        # when the commands of the second terminal are typed, each when the one before has its effect,
        printed: dict[str, str] = {}
        async with shell(tmp_path, scene.environ()) as terminal:
            for command in (*commands, *audit):
                if command.startswith(RUN_IS_UNKNOWN):
                    run_id = printed["agent-runs questions"].splitlines()[1].split()[0]
                    await terminal.type(f"RUN={run_id}")
                else:
                    printed.setdefault(command.partition("#")[0].strip(), await terminal.type(command))
                if command.startswith("agent-runs answer"):
                    said, _ = await asyncio.wait_for(agent.communicate(), DEADLINE_S)
                    await scene.wait_until_drained()
    finally:
        if agent.returncode is None:
            agent.kill()
    # then the agent has got the answer, and has completed its run,
    question = "Refund EUR 189 for order A-4711?"
    asked, done = said.decode().splitlines()  # what it logs goes to standard error
    assert asked == f"{question} Answer with: agent-runs answer {run_id} yes"
    assert (agent.returncode, done) == (0, "Your money is on its way.")
    # each command has printed what the tour says,
    del printed["export PATH=$PWD/.venv/bin:$PATH"]
    questions, answered, shown, changes, exported, from_file, imported, as_page, *audited = printed.values()
    assert f"refund-desk  ask_human: {question}" in questions
    assert re.fullmatch(rf"Answered: event 4 of {run_id}; the run is (running|completed)\.\n", answered)
    assert [line.split()[0] for line in shown.splitlines()[-8:]] == [str(seq) for seq in range(8)]
    assert re.search(r'4 .* tool_succeeded    running   ask_human by \S+ → {"answer":"yes"}', shown)
    assert shown.splitlines()[-1].split()[2:4] == ["tool_succeeded", "completed"]
    assert "since call 1\nuser_prompt[1] added\n" in changes
    assert '"content":{"answer":"yes"}' in changes
    assert exported == "Exported 1 run with 8 events to run.jsonl.\n"
    assert _without_ages(from_file) == _without_ages(shown)
    assert imported == "Published 8 events of 1 run; a consumer stores them.\n"
    assert as_page == "Exported 1 run with 8 events to run.html.\n"
    failed, agents, with_holes, waiting, prompt, changes_of_second = audited
    assert failed == with_holes == waiting == "No run matches.\n"
    assert agents.splitlines()[1].split()[:3] == ["refund-desk", "1", "0"]
    assert prompt.startswith("call 2: example-1, event 5, ")
    assert '"content": "The grinder screams. I want my money back."' in prompt
    assert changes_of_second == changes
    # and what was imported is stored already.
    await scene.wait_until_drained()
    assert await scene.rows(REPEATS) == [(8,)]


async def _asks(scene: Scene) -> bool:
    return bool(await scene.rows("SELECT FROM agent_runs WHERE status = 'waiting'"))


def _without_ages(text: str) -> str:
    return re.sub(r"\S+( \S+)? ago|for \S+( \d+\w)?", "…", text)
