"""The command `agents`."""

from datetime import datetime

import click

from agent_runs.cli.options import Time, output_option
from agent_runs.cli.output import age_text, is_terminal, note, print_json, print_table, to_json
from agent_runs.cli.source import read_database
from agent_runs.reader import AgentCount
from agent_runs.times import time_text


@click.command("agents")
@click.option(
    "--since",
    type=Time(),
    default="7d",
    show_default=True,
    metavar="TIME",
    help="Only runs created at this time or later.",
)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="The number of agents.")
@output_option
def agents_command(since: datetime, limit: int, output: str) -> None:
    """Count the runs of each agent by status, most failures first.

    LAST FAILED is when a run that is failed now has failed last. 7d is seven days ago.

    \b
    Examples:
      agent-runs agents
      agent-runs agents --since 1h -o json
    """
    counts = read_database(lambda reader: reader.count_by_agent(since, limit=limit + 1))
    shown = counts[:limit]
    match output:
        case "json":
            print_json(to_json(shown).encode())
        case "jsonl":
            for count in shown:
                print_json(to_json(count).encode())
        case _ if shown:
            print_table(("AGENT", "RUNS", "FAILED", "RUNNING", "WAITING", "COMPLETED", "LAST FAILED"), map(_row, shown))
        case _:
            note(f"No run was created since {time_text(since)}.")
    if len(counts) > limit:
        note(f"There are more: use --limit {2 * limit}")


def _row(count: AgentCount) -> tuple[str, ...]:
    at = count.last_failed_at
    last = "-" if at is None else age_text(at) if is_terminal() else time_text(at)
    numbers = (count.runs, count.failed, count.running, count.waiting, count.completed)
    return (count.agent, *map(str, numbers), last)
