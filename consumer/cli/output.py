"""Prints the results of the commands."""

from collections.abc import Sequence

from agent_runs.cli.output import print_line
from consumer.partitions.offsets_commands import PartitionStatus
from consumer.partitions.skip_command import Skipped


def migrated(names: Sequence[str]) -> None:
    """Print the names of the applied migrations."""
    print_line(f"Applied: {', '.join(names)}" if names else "The schema is up to date.")


def topic_created(topic: str, differences: Sequence[str]) -> None:
    """Print that the topic exists, with a warning for each difference from the requested settings."""
    print_line(f"Topic {topic} exists.")
    for difference in differences:
        print_line(f"warning: {difference}", style="yellow")


def loss_accepted(status: PartitionStatus) -> None:
    """Print where the partition continues and what was lost."""
    print_line(
        f"Partition {status.partition} continues at offset {status.bounds.start_offset}. "
        f"Recorded in accepted_losses: {status.lost or ''}",
    )


def skipped(partition: int, offset: int, result: Skipped) -> None:
    """Print what was skipped, what else was stored, and where the partition continues."""
    rest = f" and the {result.offset_count - 1} offsets after it" if result.offset_count > 1 else ""
    print_line(f"Skipped the record at offset {offset} of partition {partition}{rest}: {result.problem}")
    events, letters, repeats = result.stored
    print_line(f"Stored in the same transaction: {events} events, {len(letters)} dead letters, {repeats} repeats.")
    print_line(f"Partition {partition} continues at offset {result.end_offset}.")
