"""Shows how far a command is that reads all runs: a bar on a terminal, else a log line every 10 seconds."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

import structlog
from rich.console import Console
from rich.progress import Progress

from agent_runs.cli.progress import progress_bar
from agent_runs.escaping import escape_line

_LOG_INTERVAL_S: Final = 10.0
_log = structlog.get_logger()


class ShowProgress(Protocol):
    """Shows that some more events are done, and up to which run all runs are done, if that is known."""

    def __call__(self, events: int, done_up_to: str | None) -> None:
        """Show it."""


@contextmanager
def show_progress(command: str, total_events: int) -> Iterator[ShowProgress]:
    """Yield a function to call after each page. If the block fails, print how to continue."""
    console = Console(stderr=True, highlight=False)
    last: str | None = None
    bar = progress_bar(console, "events") if console.is_terminal else None
    advance = _log_lines(command, total_events) if bar is None else _advance(bar, command, total_events)

    def show(events: int, done_up_to: str | None) -> None:
        nonlocal last
        last = done_up_to or last
        advance(events, last)

    try:
        if bar is None:
            yield show
        else:
            with bar:
                yield show
    except BaseException:
        if last is not None:
            _log.info("Stopped; all runs up to this one are done: continue with --from", action=command, run=last)
        raise


def _advance(bar: Progress, command: str, total: int) -> ShowProgress:
    task = bar.add_task(command, total=total)
    return lambda events, _: bar.advance(task, events)


def _log_lines(command: str, total: int) -> ShowProgress:
    started = logged = time.monotonic()
    done = 0

    def advance(events: int, done_up_to: str | None) -> None:
        nonlocal logged, done
        done += events
        now = time.monotonic()
        if now - logged < _LOG_INTERVAL_S:
            return
        logged = now
        rate = done / (now - started)
        _log.info(
            f"{done:,} of {total:,} events are done",
            action=command,
            events_per_s=round(rate),
            remaining_s=round(max(0, total - done) / max(rate, 1)),
            **({} if done_up_to is None else {"run": escape_line(done_up_to)}),
        )

    return advance
