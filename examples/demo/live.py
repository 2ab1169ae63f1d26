"""The show on a terminal: what happens scrolls by above a table that moves."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from examples.demo.books import Numbers
from examples.demo.fleet import Consumer
from examples.demo.screen import STATUSES, Stopwatch, View

BAR_WIDTH = 40
CURVE_WIDTH = 60
BLOCKS = "▁▂▃▄▅▆▇█"
CONSUMER_STYLES = {"running": "green", "killed": "bold red", "stopped": "dim"}


class LiveScreen:
    """For terminals that can move their cursor."""

    def __init__(self, console: Console) -> None:
        # Drawn when there is something new, by whoever brings it: rich's own refresh is a thread that would draw in
        # between.
        self._live = Live(console=console, auto_refresh=False)
        self._stopwatch = Stopwatch()
        self._lags: list[int] = []

    def say(self, text: str) -> None:
        """A line above the table."""
        self._live.console.print(f"{self._stopwatch}  {text}")

    def show(self, view: View) -> None:
        """Draw the table anew."""
        self._lags.append(view.numbers.lag)
        rows = (_runs(view.numbers), "", _records(view), _curve(self._lags), _consumers(view.consumers))
        self._live.update(Group("", *rows, ""), refresh=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()


def _runs(numbers: Numbers) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    scale = max(numbers.runs.values(), default=1)
    for status, style in STATUSES.items():
        runs = numbers.runs.get(status, 0)
        bar = "█" * (runs * BAR_WIDTH // scale) or "▏" * (runs > 0)
        table.add_row(Text(f"  {status:9}", style), Text(f"{runs:>4}", "bold"), Text(bar, style))
    return table


def _records(view: View) -> RenderableType:
    numbers = view.numbers
    counts = {
        "published": view.published,
        "stored": numbers.stored,
        "dead letters": numbers.dead_letters,
        "repeats": numbers.repeats,
    }
    return Text("  ") + Text("   ").join(
        Text.assemble(what, " ", (f"{count:,}", "bold")) for what, count in counts.items()
    )


def _curve(lags: Sequence[int]) -> RenderableType:
    """The lag since the beginning; the highest of each stretch, or a short peak would come and go."""
    width = min(len(lags), CURVE_WIDTH)
    bounds = [len(lags) * column // width for column in range(width + 1)]
    peaks = [max(lags[begin:end]) for begin, end in pairwise(bounds)]
    curve = "".join(BLOCKS[peak * (len(BLOCKS) - 1) // max(*peaks, 1)] for peak in peaks)
    return Text.assemble("  lag ", (f"{lags[-1]:<5,}", "bold"), " ", (curve, "magenta"))


def _consumers(consumers: list[Consumer]) -> RenderableType:
    states = (
        Text.assemble(one.name, " ", (one.state, CONSUMER_STYLES.get(one.state, "bold red"))) for one in consumers
    )
    return Text("  ") + Text("   ").join(states)
