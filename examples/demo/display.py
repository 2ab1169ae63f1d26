"""Shows the progress of the demo: a table that changes on a terminal, one line a second in a pipe or a log."""

import time
from collections.abc import Sequence
from typing import Self

from rich.bar import Bar
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from examples.demo.consumers import Consumer
from examples.demo.tables import Counts

# In the order of a run's life, each with its colour.
STATUSES = {"running": "cyan", "waiting": "yellow", "completed": "green", "failed": "red"}
CONSUMER_STYLES = {"running": "green", "killed": "bold red", "ended": "bold red"}
BAR_WIDTH = 40
LINE_INTERVAL_S = 1.0


class Display:
    """Shows actions and counts, with the seconds since the start. Within its context, a terminal shows the table."""

    def __init__(self, console: Console) -> None:
        self._console = console
        # Drawn by `update` only; rich's own refresh would draw from another thread. In a pipe it draws nothing.
        self._live = Live(console=console, auto_refresh=False, transient=not console.is_interactive)
        self._started = time.monotonic()
        self._next_line = 0.0
        self._highest_lag = 100  # a lower start would draw a small lag as a long bar

    def log(self, text: str) -> None:
        """Print a line about an action; `text` may contain rich's markup."""
        self._console.print(f"{time.monotonic() - self._started:6.1f} s  {text}")

    def update(self, counts: Counts, published: int, consumers: Sequence[Consumer]) -> None:
        """Show the counts of this moment, and the number of records that Kafka has accepted."""
        lag = published - counts.processed
        if self._console.is_interactive:
            self._live.update(
                Group("", self._bars(counts, lag), "", *_lines(counts, published, consumers), ""), refresh=True
            )
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LINE_INTERVAL_S
            runs = "  ".join(f"{status} {counts.runs(status):>3}" for status in STATUSES)
            self.log(f"[dim]{runs}  stored {counts.stored:>5,}  lag {lag:>4,}[/]")

    def _bars(self, counts: Counts, lag: int) -> Table:
        """A bar for the runs of each status, and one for the lag."""
        self._highest_lag = max(self._highest_lag, lag)
        most_runs = max(1, *map(counts.runs, STATUSES))
        table = Table.grid(padding=(0, 2))
        for name, count, most, style in (
            *((status, counts.runs(status), most_runs, style) for status, style in STATUSES.items()),
            ("lag", lag, self._highest_lag, "magenta"),
        ):
            bar = Bar(most, 0, count, width=BAR_WIDTH, color=style)
            table.add_row(Text(f"  {name:9}", style), Text(f"{count:>5,}", "bold"), bar)
        return table

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()


def _lines(counts: Counts, published: int, consumers: Sequence[Consumer]) -> tuple[Text, Text]:
    numbers = {
        "published": published,
        "stored": counts.stored,
        "dead letters": counts.dead_letters,
        "repeats": counts.repeats,
    }
    records = [Text.assemble(f"  {name} ", (f"{number:,}", "bold")) for name, number in numbers.items()]
    states = [Text.assemble(f"  {one.name} ", (one.state, CONSUMER_STYLES[one.state])) for one in consumers]
    return Text(" ").join(records), Text(" ").join(states)
