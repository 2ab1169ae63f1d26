"""The command line as a process: closed pipes, Ctrl-C, missing packages, completion."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from signal import SIGINT

from tests.support.messages import event, events_of
from tests.support.paths import CHECKOUT
from tests.support.scene import Scene
from tests.support.stored_runs import insert_run


async def start(scene: Scene, *arguments: str, code: str = "", **settings: str) -> Process:
    program = ("-c", code) if code else ("-m", "agent_runs")
    return await asyncio.create_subprocess_exec(
        *(sys.executable, *program, *arguments),
        cwd=CHECKOUT,
        env=scene.environ(**settings),
        stdout=PIPE,
        stderr=PIPE,
    )


async def test_a_pipe_that_its_reader_closes_ends_the_command_silently(scene: Scene) -> None:
    await insert_run(scene.database, "run", messages=[event(f"e{n}", data="x" * 100_000) for n in range(20)])

    process = await start(scene, "events", "run", "-o", "jsonl")
    assert process.stdout is not None
    await process.stdout.readexactly(10)
    process.stdout._transport.close()  # type: ignore[attr-defined]

    assert (await asyncio.wait_for(process.wait(), 60), await process.stderr.read()) == (0, b"")  # type: ignore[union-attr]


async def test_followed_events_are_printed_as_they_are_stored_until_ctrl_c(scene: Scene) -> None:
    await scene.publish(*events_of("run", "first"))
    await scene.consume()
    process = await start(scene, "events", "run", "--follow", "-o", "jsonl")
    assert process.stdout is not None
    before = await asyncio.wait_for(process.stdout.readline(), 60)

    await scene.publish(*events_of("run", "second"))
    await scene.consume()
    after = await asyncio.wait_for(process.stdout.readline(), 60)
    process.send_signal(SIGINT)
    _, errors = await asyncio.wait_for(process.communicate(), 60)

    assert (b'"first"' in before, b'"second"' in after) == (True, True)
    assert (process.returncode, errors.strip()) == (130, b"")


async def test_a_missing_package_is_one_sentence_with_the_remedy(scene: Scene) -> None:
    code = "import runpy, sys; sys.modules['click'] = None; runpy.run_module('agent_runs', run_name='__main__')"

    process = await start(scene, code=code)
    output, errors = await asyncio.wait_for(process.communicate(), 60)

    assert (process.returncode, output) == (2, b"")
    assert errors == b"error: the package 'click' is not installed: pip install 'agent-runs[cli]'\n"


async def test_a_shell_completes_commands(scene: Scene) -> None:
    completion = {"_AGENT_RUNS_COMPLETE": "bash_complete", "COMP_WORDS": "agent-runs ru", "COMP_CWORD": "1"}

    output, _ = await asyncio.wait_for((await start(scene, **completion)).communicate(), 60)

    assert output == b"plain,runs\n"
