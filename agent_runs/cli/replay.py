"""The command `replay`."""

import asyncio
import shlex
import signal
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

import click

from agent_runs.cli.options import Positions, Time
from agent_runs.cli.output import console, cut, is_terminal, print_json, width
from agent_runs.cli.replay_progress import ReplayProgress
from agent_runs.escaping import escape_line
from agent_runs.reader.event_text import event_text
from agent_runs.replay import TopicEvent, TopicReading, TopicRejection, read_topic
from agent_runs.times import time_text

_ID_WIDTH: Final = 12  # the length of the ids that the emitter makes
_POSITION_WIDTH: Final = 10
_TYPE_WIDTH: Final = 17  # context_assembled
_TERMINATED: Final = 143  # a shell's exit code for a program that SIGTERM has ended


@click.command("replay")
@click.option("--run", "run_id", metavar="RUN", help="Only this run; only its partition is read.")
@click.option(
    "--partition",
    "partitions",
    type=click.IntRange(min=0),
    multiple=True,
    metavar="N",
    help="Only this one; may be repeated.",
)
@click.option("--since", type=Time(), metavar="TIME", help="Records of this time or later, such as 1h for an hour ago.")
@click.option("--from", "positions", type=Positions(), metavar="POSITIONS", help="From these offsets on: 0:120,1:98.")
@click.option("--follow", is_flag=True, help="Wait for further records, until Ctrl-C.")
@click.option("--into", "target", metavar="TOPIC", help="Publish the records to this topic instead.")
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), metavar="N", help="With --into: N records a second."
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "jsonl"]),
    default="table",
    show_default=True,
    help="Text, or JSON lines.",
)
def replay_command(target: str | None, rate: float | None, output: str, **selected: Any) -> None:
    """Read the topic again, or publish its records to another topic.

    Needs no database, and disturbs no consumer. Refused records are shown with the reason. At the end, also after
    Ctrl-C and SIGTERM, the command that continues is printed.

    --into keeps keys, values, headers, the order in a run, and the timestamps unless TOPIC sets its own. It also
    copies refused records, except those that cannot be read: they are counted and named.

    \b
    Examples:
      agent-runs replay --run booking-7 -o jsonl
      agent-runs replay --into run-events-copy --rate 500
    """
    from agent_runs.kafka.failures import discard_unhandled_logs  # noqa: PLC0415  # loads the Kafka client

    discard_unhandled_logs()
    if rate is not None and target is None:
        raise click.UsageError("--rate limits --into: give both")
    if selected["since"] is not None and selected["positions"] is not None:
        raise click.UsageError("--since and --from exclude each other")
    selected["partitions"] = selected["partitions"] or None
    command = _command(selected, {"--into": target, "--rate": rate, "--output": output if output == "jsonl" else None})
    if target is None:
        _print_records(selected, output, command)
    else:
        _copy(selected, target, rate, command)


def _command(selected: dict[str, Any], others: dict[str, Any]) -> str:
    """Return the command with its options, for a shell; without those that `--from` replaces."""
    given = {"--run": selected["run_id"], **others}
    words = [word for name, value in given.items() if value is not None for word in (name, f"{value}")]
    words += [word for number in selected["partitions"] or () for word in ("--partition", f"{number}")]
    return shlex.join(["agent-runs", "replay", *words, *(["--follow"] if selected["follow"] else [])])


def _run(work: Coroutine[Any, Any, object]) -> None:
    """Run to the end, or until Ctrl-C or SIGTERM; `work` is cancelled then.

    Raises:
        click.exceptions.Exit: SIGTERM has arrived.
        KeyboardInterrupt: Ctrl-C was pressed.
    """

    async def until_signal() -> None:
        working = asyncio.ensure_future(work)
        with suppress(NotImplementedError, RuntimeError):  # Windows, or another thread than the main one
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.cancel)
        await working

    try:
        asyncio.run(until_signal())
    except asyncio.CancelledError:
        raise click.exceptions.Exit(_TERMINATED) from None


def _print_records(selected: dict[str, Any], output: str, command: str) -> None:
    with ReplayProgress(command, shows_bar=not is_terminal() and not selected["follow"]) as progress:
        reading = read_topic(**selected, on_progress=progress.show)
        progress.positions = reading.positions
        _run(_print_each(reading, output, progress))


async def _print_each(reading: TopicReading, output: str, progress: ReplayProgress) -> None:
    rows = _Rows()
    async for item in reading:
        progress.printed += 1
        if output == "jsonl":
            print_json(item.to_json())
        else:
            rows.print(item)


class _Rows:
    """Prints one line for each record, as it comes; on a terminal, the lines are cut to its width."""

    def __init__(self) -> None:
        self._console = console()
        self._width = width()

    def print(self, item: TopicEvent | TopicRejection) -> None:
        """Print one record."""
        if isinstance(item, TopicEvent):
            run_id, kind, text, style = item.run_id, item.event.type, event_text(item.event), None
        else:
            run_id, kind, style = (item.key or b"-").decode(errors="replace"), item.reason.value, "magenta"
            text = f"refused: {item.detail}"
        time = "-" if item.created_at is None else time_text(item.created_at)
        position = f"{item.partition}:{item.offset}"
        line = f"{time}  {position:<{_POSITION_WIDTH}}  {run_id:<{_ID_WIDTH}}  {kind:<{_TYPE_WIDTH}}  {text}"
        line = escape_line(line)
        self._console.print(line if self._width is None else cut(line, self._width), style=style)


def _copy(selected: dict[str, Any], target: str, rate: float | None, command: str) -> None:
    reading = read_topic(**selected)
    if reading.topic == target:
        raise click.UsageError(f"--into {target}: this is the topic that is read")
    with ReplayProgress(command, shows_bar=not selected["follow"]) as progress:
        _run(reading.copy_to(target, rate=rate, on_progress=progress.show))
