"""`python -m tests.matrix`, which `make matrix` runs: prints one line for each row, and ends with 1 if one fails."""

import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from deploy.local.jars import kafka_version
from tests.matrix.execution import Result, execute
from tests.matrix.row import Row
from tests.matrix.rows import SECTIONS
from tests.matrix.table import update
from tests.support.servers import Servers, open_servers

SHOWN_CHARACTERS = 6_000
ROWS = {row.name: row for rows in SECTIONS.values() for row in rows}


@click.command()
@click.option("--only", multiple=True, metavar="ROW", help="Run the rows whose names begin with this; repeatable.")
@click.option("--list", "list_rows", is_flag=True, help="Print the names of the rows, and run none.")
@click.option(
    "--write",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Write the results into the tables of this page, for instance docs/compatibility.md.",
)
def main(only: tuple[str, ...], list_rows: bool, write: Path | None) -> None:
    """Run the emitter and the consumer in each environment that this machine has. Exit code 1: a row has failed."""
    chosen = [row for row in ROWS.values() if not only or row.name.startswith(only)]
    if not chosen:
        raise click.UsageError(f"no row's name begins with {' or '.join(only)}; --list prints the names")
    if list_rows:
        click.echo("\n".join(row.name for row in chosen))
        return
    results: dict[str, Result] = {}
    with open_servers(os.environ) as servers:
        for row in chosen:
            results[row.name] = _run(row, servers)
            if write:  # after each row: all of them take long, and may be interrupted
                write.write_text(update(write.read_text(), SECTIONS, results, _machine()))
    sys.exit(any(result.outcome == "failed" for result in results.values()))


def _run(row: Row, servers: Servers) -> Result:
    click.echo(f"{row.name:28} ", nl=False)
    result = execute(row, {"KAFKA_BOOTSTRAP_SERVERS": servers.bootstrap_servers, "DATABASE_URL": servers.database_url})
    click.echo(f"{result.outcome:8} {result.seconds:4.0f} s  {result.detail}  [{', '.join(result.versions)}]")
    if result.outcome == "failed":
        click.echo(result.output[-SHOWN_CHARACTERS:])
    return result


def _machine() -> str:
    today = datetime.now(tz=UTC).date()
    python = platform.python_version()
    return (
        f"Last run on {today}: {platform.system()} {platform.machine()}, Python {python} and Kafka {kafka_version()} "
        "unless a row names others."
    )


if __name__ == "__main__":
    main()
