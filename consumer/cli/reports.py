"""What the commands print."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

from agent_runs.escaping import escape_line
from consumer.partitions.offsets import PartitionStatus
from consumer.verify.runs import Difference

_SHOWN: Final = 50


def text_console() -> Console:
    """Takes what it is given for text: no markup, nothing coloured, no line broken."""
    return Console(soft_wrap=True, highlight=False, markup=False)


def _say(console: Console, text: str, style: str | None = None) -> None:
    """One line, whoever wrote what stands in it."""
    console.print(escape_line(text), style=style)


def migrated(names: Sequence[str]) -> None:
    """Which migrations ran."""
    _say(text_console(), f"Applied: {', '.join(names)}" if names else "The schema is up to date.")


def topic_made(topic: str, differences: Sequence[str]) -> None:
    """The topic as it is now."""
    console = text_console()
    _say(console, f"Topic {topic} is there.")
    for difference in differences:
        _say(console, f"warning: it is not as it should be: {difference}", style="yellow")


def places(counts: Counter[str]) -> None:
    """Where the topic's records were found."""
    table = Table("records of the topic", "count")
    for name in ("event", "dead_letter", "repeat", "missing"):
        table.add_row(name, str(counts[name]))
    text_console().print(table)


def differences(found: Sequence[Difference]) -> None:
    """What is other than it should be, and how much of it."""
    console = text_console()
    for difference in found[:_SHOWN]:
        _say(console, f"{difference.kind}: {difference.where}: {difference.detail}")
    if len(found) > _SHOWN:
        _say(console, f"… and {len(found) - _SHOWN} more")
    _say(console, f"{len(found)} differences")


def offsets(standings: Sequence[PartitionStatus]) -> None:
    """Where the partitions stand."""
    table = Table("partition", "log begins", "log ends", "stored up to", "lag", "repeats", "state")
    for standing in standings:
        stored = standing.stored
        table.add_row(
            str(standing.partition),
            str(standing.bounds.start_offset),
            str(standing.bounds.end_offset),
            "-" if stored is None else str(stored.next_offset),
            str(standing.bounds.end_offset - (standing.bounds.start_offset if stored is None else stored.next_offset)),
            "-" if stored is None else str(stored.repeats),
            "halted" if standing.lost or standing.refused else "ok",
        )
    console = text_console()
    console.print(table)
    for standing in standings:
        for problem in filter(None, (standing.lost, standing.refused)):
            _say(console, f"partition {standing.partition}: {problem}")
    if any(standing.lost for standing in standings):
        _say(console, "To go on without what is lost: python -m consumer offsets accept-loss --partition N --by NAME")


def loss_accepted(standing: PartitionStatus) -> None:
    """What was given up, and where it goes on."""
    _say(
        text_console(),
        f"Partition {standing.partition} goes on at offset {standing.bounds.start_offset}; "
        f"written down in accepted_losses: {standing.lost or ''}",
    )
