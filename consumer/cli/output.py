"""Prints the results of the commands."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

from agent_runs.escaping import escape_line
from consumer.partitions.offsets_commands import PartitionStatus
from consumer.verify.runs import Difference

_SHOWN_DIFFERENCES: Final = 50


def text_console() -> Console:
    """Return a console that prints text unchanged: it adds no markup, highlighting or line breaks."""
    return Console(soft_wrap=True, highlight=False, markup=False)


def _print_line(console: Console, text: str, style: str | None = None) -> None:
    """Print one line, with control characters escaped, because the text may quote a record."""
    console.print(escape_line(text), style=style)


def migrated(names: Sequence[str]) -> None:
    """Print the names of the applied migrations."""
    _print_line(text_console(), f"Applied: {', '.join(names)}" if names else "The schema is up to date.")


def topic_created(topic: str, differences: Sequence[str]) -> None:
    """Print that the topic exists, with a warning for each difference from the requested settings."""
    console = text_console()
    _print_line(console, f"Topic {topic} exists.")
    for difference in differences:
        _print_line(console, f"warning: {difference}", style="yellow")


def counts_by_outcome(counts: Counter[str]) -> None:
    """Print how many records of the topic were found as events, as dead letters, as repeats, or not at all."""
    table = Table("records of the topic", "count")
    for name in ("event", "dead_letter", "repeat", "missing"):
        table.add_row(name, str(counts[name]))
    text_console().print(table)


def differences(found: Sequence[Difference]) -> None:
    """Print the first 50 differences, and the number of differences."""
    console = text_console()
    for difference in found[:_SHOWN_DIFFERENCES]:
        _print_line(console, f"{difference.kind}: {difference.where}: {difference.detail}")
    if len(found) > _SHOWN_DIFFERENCES:
        _print_line(console, f"… and {len(found) - _SHOWN_DIFFERENCES} more")
    _print_line(console, f"{len(found)} differences")


def offsets(statuses: Sequence[PartitionStatus]) -> None:
    """Print the offsets of the partitions, and why some are halted."""
    table = Table("partition", "log start", "log end", "stored up to", "lag", "repeats", "state")
    for status in statuses:
        stored = status.stored
        table.add_row(
            str(status.partition),
            str(status.bounds.start_offset),
            str(status.bounds.end_offset),
            "-" if stored is None else str(stored.next_offset),
            str(status.bounds.end_offset - (status.bounds.start_offset if stored is None else stored.next_offset)),
            "-" if stored is None else str(stored.repeats),
            "halted" if status.lost or status.tripped else "ok",
        )
    console = text_console()
    console.print(table)
    for status in statuses:
        for problem in filter(None, (status.lost, status.tripped)):
            _print_line(console, f"partition {status.partition}: {problem}")
    if any(status.lost for status in statuses):
        _print_line(
            console,
            "To continue without the lost records: python -m consumer offsets accept-loss --partition N --by NAME",
        )


def loss_accepted(status: PartitionStatus) -> None:
    """Print where the partition continues and what was lost."""
    _print_line(
        text_console(),
        f"Partition {status.partition} continues at offset {status.bounds.start_offset}. "
        f"Recorded in accepted_losses: {status.lost or ''}",
    )
