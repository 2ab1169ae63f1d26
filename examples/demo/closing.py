"""What is told at the end: the sum, one run from its first event to its last, what was rejected, and the proof."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent_runs.codec.decode import decode_event
from agent_runs.status import RunStatus, next_status
from examples.demo import hostile
from examples.demo.books import Books, DeadLetter, Run, StoredEvent
from examples.demo.screen import STATUSES
from examples.demo.show import Outcome
from examples.demo.words import in_words, tool_of

NEXT = """
[bold]What next[/]
  README.md    how your agent publishes, and what is promised
  make up      Kafka and PostgreSQL to stay; .local/env has their addresses
  schema/      the tables, and queries that people ask of them
"""


async def tell(console: Console, outcome: Outcome, books: Books, proof: str) -> None:
    """All that is worth knowing once the last record was passed; `proof` is what `verify` has printed."""
    _heading(console, "Where every record went")
    _tell_sum(console, outcome)
    run = await books.run_through(outcome.killed_at)
    if run is not None:
        _heading(console, "A run that was under way when the consumer was killed")
        _tell_run(console, run, await books.events(run.id), outcome.killed_at)
    _heading(console, "What was rejected, and why")
    _tell_dead_letters(console, await books.dead_letters(), hostile.rejections())
    _heading(console, "What `python -m consumer verify --topic` found")
    console.print(Text(proof.rstrip()))


def tell_failure(console: Console, error: Exception) -> None:
    """What went wrong, and what there is to look at."""
    console.print(Text.assemble("\n", ("The demo failed: ", "bold red"), str(error)))
    if evidence := getattr(error, "evidence", ""):
        console.print(Text(evidence, "dim"))


def tell_what_is_left(console: Console, directory: Path | None) -> None:
    """Where the files are, or that there are none."""
    left = f"Logs and data files are in {directory}" if directory else "All processes were ended, all files removed."
    console.print(f"\n{left}", soft_wrap=True)


def tell_what_next(console: Console) -> None:
    """Where to go from here."""
    console.print(NEXT, end="")


def _heading(console: Console, text: str) -> None:
    console.print()
    console.rule(Text(text, "bold"), align="left", style="dim")


def _tell_sum(console: Console, outcome: Outcome) -> None:
    numbers = outcome.numbers
    console.print(
        f" [bold]{outcome.published:,}[/] records published = [bold]{numbers.stored:,}[/] events stored"
        f" + [bold]{numbers.dead_letters}[/] dead letters + [bold]{numbers.repeats}[/] repeat"
    )
    runs = ", ".join(f"[{style}]{numbers.runs.get(status, 0)} {status}[/]" for status, style in STATUSES.items())
    console.print(f" [bold]{sum(numbers.runs.values())}[/] runs: {runs}")
    console.print(" Each run has its events in the order they were published, without a gap.")
    console.print(" Who still waits, waits for a human who has not answered.")


def _tell_run(console: Console, run: Run, events: Sequence[StoredEvent], killed_at: datetime) -> None:
    """Every event in order, with the status after each by the same fold that the consumers use."""
    console.print(f" {run.agent_id}, run [bold]{run.id}[/], {run.event_count} events, {run.children} child runs\n")
    table = _table("seq", "after", "event")
    table.add_column("what it says", no_wrap=True, ratio=1)
    table.add_column("status", no_wrap=True)
    status, killed = RunStatus.RUNNING, False
    for row in events:
        if not killed and row.created_at > killed_at:
            killed = True
            table.add_row("", _after(events[0], killed_at), Text("consumer killed", "bold red"))
        event = decode_event(row.event_data.encode())
        status = next_status(status, event.type, tool_of(event))
        after, words = _after(events[0], row.created_at), Text(in_words(event))
        table.add_row(f"{row.event_seq:>3}", after, event.type, words, Text(status, STATUSES[status]))
    console.print(table)


def _tell_dead_letters(console: Console, letters: Sequence[DeadLetter], sent: Mapping[str, str]) -> None:
    """What the foreign producer sent, and the consumer's words for what is wrong with it."""
    table = _table("record", "reason")
    table.add_column("what was sent, and the detail", ratio=1)
    for letter in letters:
        told = Text.assemble(sent.get(letter.reason, "?"), ("\n" + letter.detail, "dim"))
        table.add_row(f"{letter.partition}:{letter.record_offset}", Text(letter.reason, "yellow"), told)
    console.print(table)
    console.print(" Kept with their exact bytes, in the table dead_letters.")


def _table(*headers: str) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="dim", expand=True)
    for header in headers:
        table.add_column(header, no_wrap=True)
    return table


def _after(first: StoredEvent, moment: datetime) -> str:
    return f"{(moment - first.created_at).total_seconds():5.2f} s"
