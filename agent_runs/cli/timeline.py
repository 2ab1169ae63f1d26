"""Prints the events of a run: one line an event."""

from datetime import datetime
from typing import Final

from rich.text import Text

from agent_runs.cli.output import STATUS_STYLES, console, cut, print_line, width
from agent_runs.escaping import escape_line
from agent_runs.reader import StoredEvent
from agent_runs.reader.event_text import event_text
from agent_runs.status import RunStatus
from agent_runs.times import duration_text

_TYPE_WIDTH: Final = 17  # context_assembled
_STATUS_WIDTH: Final = 9
_TEXT_WIDTH: Final = 20  # columns of the text of an event; with fewer, it gets a line of its own
_INDENT: Final = 4  # of such a line
_TYPE_STYLES: Final = {
    "llm_called": "blue",
    "llm_failed": "red",
    "tool_failed": "red",
    "run_failed": "red",
    "events_dropped": "magenta",
}


class Timeline:
    """Prints events in the order of their numbers, each with the time since the one before.

    Args:
        last_seq: the largest number, which determines the width of the first column.
    """

    def __init__(self, last_seq: int) -> None:
        self._seq_width = max(3, len(str(last_seq)))
        self._console = console()
        self._width = width()
        self._before: datetime | None = None

    def print(self, stored: StoredEvent, status: RunStatus | None = None, call: int | None = None) -> None:
        """Print one event.

        Args:
            stored: the event.
            status: the status of the run after it, if it is known.
            call: its number among the calls of models, if it is one and the number is known.
        """
        elapsed = "" if self._before is None else f"+{duration_text(stored.created_at - self._before)}"
        self._before = stored.created_at
        line = Text.assemble((f"{stored.seq:>{self._seq_width}} {elapsed:>8} ", "dim"))
        name = escape_line(cut(stored.type, _TYPE_WIDTH))
        line.append(f"{name:<{_TYPE_WIDTH}} ", _TYPE_STYLES.get(stored.type, ""))
        if status is not None:
            line.append(f"{status.value:<{_STATUS_WIDTH}} ", STATUS_STYLES[status])
        text = Text.assemble(
            (f"call {call}: " if call is not None else "", "bold"), escape_line(event_text(stored.event))
        )
        self._print(line, text)

    def _print(self, line: Text, text: Text) -> None:
        if self._width is None:
            print_line(line + text, target=self._console)
            return
        lines = [line + text]
        if self._width - line.cell_len < min(_TEXT_WIDTH, text.cell_len):
            lines = [line, Text(" " * _INDENT) + text] if text else [line]
        for each in lines:
            each.rstrip()
            each.truncate(self._width, overflow="ellipsis")
            print_line(each, target=self._console)
