"""The report at the end: the sum, one run from its first event to its last, the dead letters, and `verify`."""

import json
from datetime import datetime

import asyncpg
from msgspec import UNSET
from msgspec.structs import asdict
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent_runs import RunEvent, RunState, UnknownEvent, decode_event, fold
from examples.demo.display import STATUSES
from examples.demo.foreign_producer import rejections
from examples.demo.scenario import Outcome
from examples.demo.tables import Database, query

# Ids, times and long prompts, which the report omits.
NOT_SHOWN = {"id", "parent_event_id", "timestamp", "session_id", "system_prompt", "user_prompt"}

NEXT_STEPS = """
[bold]What next[/]
  README.md          how your agent publishes, and what is guaranteed
  make demo VIEW=1   the same, and then these runs in a browser
  make up            Kafka, PostgreSQL and the viewer, which stay; .local/env has their addresses
  schema/            the tables, and useful queries
  agent-runs         reads what agents did (in .venv/bin; docs/command-line.md). With an agent that asks,
                     .venv/bin/python examples/ask_human.py wait, try
                       agent-runs questions             who waits for an answer
                       agent-runs answer RUN yes        the agent continues
                       agent-runs show RUN              every event, with the status after it
                       agent-runs prompt RUN --diff     what is new in the last prompt
                       agent-runs export RUN -f FILE    a file to hand over
                       agent-runs import FILE           publish it again
"""


async def print_report(console: Console, outcome: Outcome, database: Database, verify_output: str) -> None:
    """Print the numbers of events, dead letters and repeats, one run, the dead letters, and the output of `verify`."""
    _print_heading(console, "Where every record went")
    _print_sum(console, outcome)
    for run in await query(database, "run_through", outcome.killed_at):
        _print_heading(console, "A run that was in progress when the consumer was killed")
        console.print(f" {run['agent_id']}, {run['event_count']} events, {run['children']} child runs\n")
        console.print(_run_table(await query(database, "events_of_run", run["id"]), outcome.killed_at))
    _print_heading(console, "What was rejected, and why")
    console.print(_dead_letter_table(await query(database, "dead_letters")))
    console.print(" The table dead_letters keeps their exact bytes.")
    _print_heading(console, "The result of `python -m consumer verify --topic`")
    console.print(Text(verify_output.rstrip()))


def _print_heading(console: Console, text: str) -> None:
    console.print()
    console.rule(Text(text, "bold"), align="left", style="dim")


def _print_sum(console: Console, outcome: Outcome) -> None:
    counts = outcome.counts
    console.print(
        f" [bold]{outcome.published:,}[/] records published = [bold]{counts.stored:,}[/] events stored"
        f" + [bold]{counts.dead_letters}[/] dead letters + [bold]{counts.repeats}[/] repeat"
    )
    runs = ", ".join(f"[{style}]{counts.runs(status)} {status}[/]" for status, style in STATUSES.items())
    console.print(f" [bold]{sum(map(counts.runs, STATUSES))}[/] runs: {runs}")
    console.print(" Each run has its events in the order in which they were published, without a gap.")
    console.print(" The runs that wait have asked a human who has not answered.")


def _run_table(events: list[asyncpg.Record], killed_at: datetime) -> Table:
    """The events of a run, with the run's status after each of them."""
    table = _table("seq", "after", "event")
    table.add_column("content", no_wrap=True, ratio=1)
    table.add_column("status", no_wrap=True)
    began_at, state, killed = events[0]["created_at"], RunState(), False
    for row in events:
        if not killed and row["created_at"] > killed_at:
            killed = True
            table.add_row("", _seconds(began_at, killed_at), Text("consumer killed", "bold red"))
        event = decode_event(row["event_data"].encode())
        # The fold that the consumer uses for `agent_runs.status`.
        state = fold(state, event)
        table.add_row(
            f"{row['event_seq']:>3}",
            _seconds(began_at, row["created_at"]),
            event.type,
            Text(_content(event)),
            Text(state.status, STATUSES[state.status]),
        )
    return table


def _dead_letter_table(rows: list[asyncpg.Record]) -> Table:
    """What the foreign producer sent, and the detail that the consumer stored."""
    table = _table("record", "reason")
    table.add_column("what was sent, and the detail", ratio=1)
    descriptions = rejections()
    for row in rows:
        text = Text.assemble(descriptions.get(row["reason"], "?"), ("\n" + row["detail"], "dim"))
        table.add_row(f"{row['partition']}:{row['record_offset']}", Text(row["reason"], "yellow"), text)
    return table


def _table(*headers: str) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="dim", expand=True)
    for header in headers:
        table.add_column(header, no_wrap=True)
    return table


def _seconds(began_at: datetime, moment: datetime) -> str:
    return f"{(moment - began_at).total_seconds():5.2f} s"


def _content(event: RunEvent | UnknownEvent) -> str:
    """The fields of an event on one line, without empty ones and those in NOT_SHOWN."""
    fields = {name: value for name, value in asdict(event).items() if name not in NOT_SHOWN}
    values = (value for value in fields.values() if value not in (None, UNSET, {}))
    texts = (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in values)
    return " ".join(" ".join(texts).split())
