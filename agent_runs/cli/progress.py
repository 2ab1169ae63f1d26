"""The progress bar of commands that read many records or events."""

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class _Rate(ProgressColumn):
    """How many are done in a second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f} {self._unit}/s")


def progress_bar(console: Console, unit: str) -> Progress:
    """Return a bar that disappears at its end; it shows how many are done of how many, the rate, and the time left.

    Args:
        console: where the bar is shown.
        unit: what is counted, such as `events`.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,.0f} of {task.total:,.0f}"))
    return Progress(*columns, _Rate(unit), TimeRemainingColumn(), console=console, transient=True)
