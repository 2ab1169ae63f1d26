"""The demo as a table of contents: start the servers, prepare, play, count, tell, verify, clear away."""

import argparse
import asyncio
import signal
import sys
import tempfile
from pathlib import Path
from shutil import rmtree

from rich.console import Console

from deploy.local import LocalStack, LocalStackError
from examples.demo import closing
from examples.demo.checks import check
from examples.demo.errors import DemoFailed
from examples.demo.opening import step, tell_what_comes
from examples.demo.show import perform
from examples.demo.stage import TOPIC, Plan, open_stage, prepare

FAILED = 1
INTERRUPTED = 130  # what a shell says of a program that Ctrl-C has ended
PLAIN_WIDTH = 100  # of lines in a pipe or a log


def main() -> int:
    """Play the demo. 0 when all that it promises was seen, 130 when it was interrupted, else 1."""
    options = _options()
    _end_as_by_ctrl_c()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    directory = Path(tempfile.mkdtemp(prefix="agent-runs-demo-"))
    exit_code = FAILED  # unless we come to know better
    try:
        exit_code = _demonstrate(Plan(options.conversations, options.seconds), directory, console)
    finally:
        kept = options.keep or exit_code == FAILED
        if not kept:
            rmtree(directory)
        closing.tell_what_is_left(console, directory if kept else None)
    if exit_code == 0:
        closing.tell_what_next(console)
    return exit_code


def _demonstrate(plan: Plan, directory: Path, console: Console) -> int:
    tell_what_comes(console)
    try:
        _with_servers(plan, LocalStack(directory, fast_start=True), directory, console)
    except KeyboardInterrupt:
        console.print("\nInterrupted.")
        return INTERRUPTED
    except (DemoFailed, LocalStackError) as error:
        closing.tell_failure(console, error)
        return FAILED
    return 0


def _with_servers(plan: Plan, stack: LocalStack, directory: Path, console: Console) -> None:
    with step(console, "Starting Kafka and PostgreSQL on this machine"):
        stack.start()
    try:
        asyncio.run(_play(plan, stack, directory, console))
    finally:
        stack.stop()


async def _play(plan: Plan, stack: LocalStack, directory: Path, console: Console) -> None:
    with step(console, "Making a database (`consumer migrate`) and a topic (`create-topic`)"):
        service = await prepare(stack, directory)
    async with open_stage(plan, service, console) as stage:
        with stage.screen:
            outcome = await perform(stage)
        await stage.fleet.stop()
        with step(console, "Reading the topic again, comparing each record with the tables (`verify`)"):
            proof = await service.command("verify", "--topic", TOPIC)
        await check(outcome, stage.books)
        await closing.tell(console, outcome, stage.books, proof)


def _end_as_by_ctrl_c() -> None:
    """Whatever asks us to end gets the same order of ending; the handler of SIGINT changes on the way."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a script's background job begins with it ignored
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as by nohup
            signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__)
    parser.add_argument(
        "--conversations", type=int, default=260, help="begun by users and clocks; child runs come on top"
    )
    parser.add_argument("--seconds", type=float, default=14, help="within which they begin")
    parser.add_argument("--keep", action="store_true", help="keep the logs and data files")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
