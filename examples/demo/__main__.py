"""Runs the demo: starts servers, creates tables and a topic, performs the scenario, verifies, reports, cleans up."""

import argparse
import asyncio
import signal
import sys
import tempfile
from pathlib import Path
from shutil import rmtree

import asyncpg
from rich.console import Console
from rich.text import Text

from deploy.local import LocalStack, LocalStackError, Viewer
from examples.demo.checks import check
from examples.demo.consumers import run_command
from examples.demo.display import Display
from examples.demo.errors import DemoFailed
from examples.demo.report import NEXT_STEPS, print_report
from examples.demo.scenario import Plan, Scenario

TOPIC = "run-events-demo"
PARTITIONS = 6
GIVE_UP_S = 20  # how long a command waits for Kafka or PostgreSQL

FAILED = 1
INTERRUPTED = 130  # a shell's exit code for a program that Ctrl-C has ended
PLAIN_WIDTH = 100  # columns in a pipe or a log

INTRODUCTION = """\
[bold]Agent Runs[/]: LLM agents publish events to Kafka; consumers store them in PostgreSQL,
each event once and in order.

Here, agents publish the events of a few hundred runs, and two consumers store them.
One consumer is killed, and a producer that does not use this library sends invalid
records. At the end the demo checks that each record is stored as an event, a dead
letter or a repeat. This takes half a minute; servers and data are temporary.
"""


def main() -> int:
    """Run the demo. Returns 0 when all checks passed, 130 when it was interrupted, else 1."""
    options = _options()
    _treat_signals_as_ctrl_c()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    directory = Path(tempfile.mkdtemp(prefix="agent-runs-demo-"))
    exit_code = FAILED  # in case of an unexpected exception
    try:
        exit_code = _run(Plan(options.conversations, options.seconds), directory, console, has_viewer=options.view)
    finally:
        if options.keep or exit_code == FAILED:
            console.print(f"\nLogs and data files are in {directory}", soft_wrap=True)
        else:
            rmtree(directory)
            console.print("\nAll processes have ended, and all files are removed.")
    if exit_code == 0:
        console.print(NEXT_STEPS, end="")
    return exit_code


def _run(plan: Plan, directory: Path, console: Console, *, has_viewer: bool) -> int:
    console.print(INTRODUCTION)
    try:
        console.print("Starting Kafka and PostgreSQL on this machine …")
        with LocalStack(directory, fast_start=True) as stack:
            asyncio.run(_perform(plan, _environment(stack), directory, console))
            if has_viewer:
                _view(stack, directory, console)
    except KeyboardInterrupt:
        console.print("\nInterrupted.")
        return INTERRUPTED
    except (DemoFailed, LocalStackError) as error:
        console.print(Text.assemble("\n", ("The demo failed: ", "bold red"), str(error)))
        if isinstance(error, DemoFailed) and error.evidence:
            console.print(Text(error.evidence, "dim"))
        return FAILED
    return 0


async def _perform(plan: Plan, environment: dict[str, str], directory: Path, console: Console) -> None:
    console.print(
        "Creating the tables (`python -m consumer migrate`) and a topic (`python -m consumer create-topic`) …"
    )
    run_command(environment, "migrate")
    run_command(environment, "create-topic", "--partitions", str(PARTITIONS))
    async with asyncpg.create_pool(environment["DATABASE_URL"], min_size=1) as database:
        console.print("Starting two consumers (`python -m consumer run`) …")
        outcome = await Scenario(plan, environment, directory, database, Display(console)).perform()
        console.print("Comparing each record of the topic with the tables (`python -m consumer verify --topic`) …")
        verify_output = run_command(environment, "verify", "--topic", TOPIC)
        await check(outcome, database)
        await print_report(console, outcome, database, verify_output)


def _view(stack: LocalStack, directory: Path, console: Console) -> None:
    """Show the runs in the viewer until a line, or the end, of standard input."""
    with Viewer(directory / "viewer", environment={"DATABASE_URL": stack.postgres.url}) as viewer:
        console.print(
            f"\nThe viewer shows these runs at [bold]{viewer.url}[/]\nPress Enter to end it …", soft_wrap=True
        )
        sys.stdin.readline()


def _environment(stack: LocalStack) -> dict[str, str]:
    """The environment of the demo's consumers and commands."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": stack.kafka.bootstrap_servers,
        "DATABASE_URL": stack.postgres.url,
        "AGENT_RUNS_TOPIC": TOPIC,
        "AGENT_RUNS_GROUP": "agent-runs-demo",
        "AGENT_RUNS_GIVE_UP_S": str(GIVE_UP_S),
    }


def _treat_signals_as_ctrl_c() -> None:
    """On SIGTERM and SIGHUP, send SIGINT to this process: the demo then cleans up as after Ctrl-C.

    The handlers do not raise KeyboardInterrupt themselves: while `asyncio.run` runs, its own handler of SIGINT cancels
    the main task, and an exception raised in a handler would skip that.
    """
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell starts a script's background jobs with SIGINT ignored
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__)
    parser.add_argument("--conversations", type=int, default=260, help="number of top-level runs (default: 260)")
    parser.add_argument("--seconds", type=float, default=14, help="seconds during which the runs start (default: 14)")
    parser.add_argument("--view", action="store_true", help="show the runs in the viewer at the end, until Enter")
    parser.add_argument("--keep", action="store_true", help="keep the logs and data files")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
