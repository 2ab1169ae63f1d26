"""Prints the results of the commands."""

from collections.abc import Sequence

from rich.console import Console

from agent_runs.escaping import escape_line
from consumer.partitions.offsets_commands import PartitionStatus
from consumer.partitions.skip_command import Skipped


def text_console() -> Console:
    """Return a console that prints text unchanged: it adds no markup, highlighting or line breaks."""
    return Console(soft_wrap=True, highlight=False, markup=False)


def print_line(console: Console, text: str, style: str | None = None) -> None:
    """Print one line, with control characters escaped, because the text may quote a record."""
    console.print(escape_line(text), style=style)


def migrated(names: Sequence[str]) -> None:
    """Print the names of the applied migrations."""
    print_line(text_console(), f"Applied: {', '.join(names)}" if names else "The schema is up to date.")


def topic_created(topic: str, differences: Sequence[str]) -> None:
    """Print that the topic exists, with a warning for each difference from the requested settings."""
    console = text_console()
    print_line(console, f"Topic {topic} exists.")
    for difference in differences:
        print_line(console, f"warning: {difference}", style="yellow")


def loss_accepted(status: PartitionStatus) -> None:
    """Print where the partition continues and what was lost."""
    print_line(
        text_console(),
        f"Partition {status.partition} continues at offset {status.bounds.start_offset}. "
        f"Recorded in accepted_losses: {status.lost or ''}",
    )


def skipped(partition: int, offset: int, result: Skipped) -> None:
    """Print what was skipped, what else was stored, and where the partition continues."""
    console = text_console()
    rest = f" and the {result.offset_count - 1} offsets after it" if result.offset_count > 1 else ""
    print_line(console, f"Skipped the record at offset {offset} of partition {partition}{rest}: {result.problem}")
    events, letters, repeats = result.stored
    print_line(
        console, f"Stored in the same transaction: {events} events, {len(letters)} dead letters, {repeats} repeats."
    )
    print_line(console, f"Partition {partition} continues at offset {result.end_offset}.")
