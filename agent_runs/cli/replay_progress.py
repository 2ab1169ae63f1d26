"""Shows how far `replay` is, and from where it can be continued."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from rich.console import Console

from agent_runs.cli.output import note
from agent_runs.cli.progress import progress_bar
from agent_runs.replay import Copied, Progress

_NOTE_INTERVAL_S: Final = 10.0
_NAMED_SKIPPED: Final = 20


class ReplayProgress:
    """A bar on a terminal; else, for a copy, a line every 10 seconds. At the end, the command that continues.

    Args:
        command: the command with its options, for a shell.
        shows_bar: False if the records are printed to the same terminal, or if there is no end.

    Attributes:
        positions: the positions to print at the end, if they are more exact than those of the last batch.
        printed: how many records were printed; of one run, fewer than were read.
    """

    def __init__(self, command: str, *, shows_bar: bool) -> None:
        console = Console(stderr=True, highlight=False)
        self._bar = progress_bar(console, "records") if shows_bar and console.is_terminal else None
        self._task = None if self._bar is None else self._bar.add_task("replay", total=None)
        self._command = command
        self.positions: Mapping[int, int] = {}
        self.printed = 0
        self._last: Progress | None = None
        self._total: int | None = None
        self._noted_at = time.monotonic()
        self._skipped = 0

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._last is not None:
            positions = positions_text(self.positions or self._last.positions)
            note(f"{_done(self._last, self.printed)} To continue: {self._command} --from {positions}")

    def show(self, progress: Progress) -> None:
        """Show the progress after a batch."""
        self._last = progress
        left = sum(max(0, end - progress.positions[partition]) for partition, end in progress.ends.items())
        if self._total is None:
            self._total = left
            _note_begin(progress)
        if isinstance(progress, Copied):
            self._note_copied(progress)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, total=self._total, completed=self._total - left)

    def _note_copied(self, progress: Copied) -> None:
        for skipped in progress.skipped[self._skipped : _NAMED_SKIPPED]:
            note(f"Not copied: record {skipped.partition}:{skipped.offset} cannot be read: {skipped.detail}")
        self._skipped = len(progress.skipped)
        if self._bar is None and time.monotonic() - self._noted_at >= _NOTE_INTERVAL_S:
            self._noted_at = time.monotonic()
            note(f"Copied {progress.copied:,} records, up to {positions_text(progress.positions)}")


def _done(progress: Progress, printed: int) -> str:
    if not isinstance(progress, Copied):
        others = f", and printed {printed:,} of them" if printed < progress.records else ""
        return f"Read {_records(progress.records)}{others}."
    skipped = f"; {len(progress.skipped):,} cannot be read" if progress.skipped else ""
    return f"Copied {_records(progress.copied)}{skipped}."


def _records(count: int) -> str:
    return f"{count:,} record" if count == 1 else f"{count:,} records"


def positions_text(positions: Mapping[int, int]) -> str:
    """Return positions in the form that `--from` takes."""
    return ",".join(f"{partition}:{offset}" for partition, offset in sorted(positions.items()))


def _note_begin(progress: Progress) -> None:
    """Note where a log begins, if records before it are deleted that the reading would have begun with."""
    begins = {number: start for number, start in progress.starts.items() if 0 < start == progress.positions[number]}
    if begins:
        note(f"The log begins at {positions_text(begins)}: the records before were deleted.")
