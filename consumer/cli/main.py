"""The commands of `agent-runs-consumer`, and their exit codes."""

import os
import sys
import traceback
from functools import partial
from typing import Final

import click

from agent_runs.cli.arguments import check_encoding
from agent_runs.errors import SettingsError
from agent_runs.escaping import escape_line, escape_lines
from agent_runs.standard_streams import open_closed_streams
from consumer.cli import output
from consumer.cli.command import run, run_repeated, run_with_session
from consumer.cli.dead_letters import dead_letters_group
from consumer.cli.offsets_output import offsets_as_json, offsets_as_table
from consumer.cli.offsets_skip import skip_command
from consumer.cli.rebuild import rebuild_command
from consumer.cli.verify import verify_command
from consumer.errors import GaveUp, OperatorNeeded, StoreError, UsageError
from consumer.kafka.topic_admin import create_topic
from consumer.partitions.offsets_commands import OffsetsReport, PartitionStatus, accept_loss, show_offsets
from consumer.postgres.migrations import migrate
from consumer.postgres.requirements import ACCEPT_LOSS, READ, check_database
from consumer.postgres.session import Session
from consumer.runtime.retrying import retry_while_unavailable
from consumer.service import serve
from consumer.settings import read_config

_EXIT_CODES: Final[dict[type[Exception], int]] = {
    SettingsError: 2,
    UsageError: 2,
    OperatorNeeded: 3,
    StoreError: 3,
    GaveUp: 4,
}
_INTERRUPTED: Final = 130  # a shell's exit code for a program that Ctrl-C has ended


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="agent-runs", prog_name="agent-runs-consumer")
def cli() -> None:
    """Store the RunEvents of a Kafka topic in PostgreSQL, each exactly once and in order.

    Settings are read from the environment: KAFKA_BOOTSTRAP_SERVERS, DATABASE_URL, AGENT_RUNS_TOPIC, and others
    (docs/operating.md).

    \b
    Exit codes:
      0    done
      1    verify found differences, rebuild left runs as they are, or dead-letters retry left dead letters open
      2    wrong usage or settings, no such run, or an unsuitable topic or database
      3    an operator must decide, or an unexpected error
      4    Kafka or PostgreSQL stayed unavailable, or nothing was stored for too long
      130  Ctrl-C
    """


@cli.command("migrate")
def migrate_command() -> None:
    """Create or update the database schema.

    Also creates the group roles agent_runs_consumer and agent_runs_reader, if the login may create roles.
    """
    config = read_config(os.environ, "database", "service", "topic")
    output.migrated(run_with_session(config, lambda session: session.run_long(migrate)))


@cli.command("create-topic")
@click.option(
    "--partitions",
    type=click.IntRange(min=1),
    default=12,
    show_default=True,
    help="Number of partitions. If you add some later, new events of a run may go to another partition.",
)
@click.option(
    "--replicas",
    type=click.IntRange(min=1),
    help="Copies of each partition. Default: 3, or the number of brokers if smaller.",
)
@click.option(
    "--retention-days", type=click.FloatRange(min=0.001), help="How long Kafka keeps records. Default: without limit."
)
def create_topic_command(partitions: int, replicas: int | None, retention_days: float | None) -> None:
    """Create the topic, or check an existing one.

    If the topic exists, it is not changed: each setting that differs is printed as a warning.
    """
    config = read_config(os.environ, "kafka", "topic", "service")
    retention_ms = -1 if retention_days is None else int(retention_days * 86_400_000)

    creation = retry_while_unavailable(
        lambda: create_topic(config.kafka, config.topic, partitions, replicas, retention_ms),
        "create the topic",
        config.service.give_up_s,
    )
    output.topic_created(config.topic.topic, run(config, creation))


@cli.command("run")
@click.option("--until-end", is_flag=True, help="Stop when all records present when the command starts are stored.")
def run_command(until_end: bool) -> None:  # noqa: FBT001  # click passes a flag by its name
    """Consume until SIGTERM or SIGINT. Several processes share the partitions."""
    config = read_config(os.environ)
    run(config, serve(config, to_end=until_end))


@cli.group("offsets")
def offsets_group() -> None:
    """Show offsets, and let a halted partition continue."""


@offsets_group.command("show", short_help="Show the offsets, the lag and the owner of each partition.")
@click.option(
    "--output", "form", type=click.Choice(["table", "json"]), default="table", show_default=True, help="Format."
)
def offsets_show_command(form: str) -> None:
    """Show the offsets, the lag and the owner of each partition, and what halts or blocks it.

    Lost records or the circuit breaker halt a partition; a producer's open transaction blocks it. A partition is
    stalled if its log has records to store and its stored offset has not moved for AGENT_RUNS_STALL_S.
    """
    config = read_config(os.environ, "kafka", "database", "topic", "ingest", "service")

    async def work(session: Session) -> OffsetsReport:
        await session.run(partial(check_database, rights=READ))
        return await show_offsets(config, session)

    report = run_repeated(config, work, "read the offsets")
    (offsets_as_json if form == "json" else offsets_as_table)(report, config.topic)


@offsets_group.command("accept-loss")
@click.option("--partition", type=int, required=True, help="The halted partition.")
@click.option("--by", required=True, help="Who accepts the loss; stored in accepted_losses.")
def accept_loss_command(partition: int, by: str) -> None:
    """Continue a partition whose log has lost records.

    The partition continues at the start of its log. The lost offsets are recorded in accepted_losses.
    """
    config = read_config(os.environ, "kafka", "database", "topic", "service")

    async def work(session: Session) -> PartitionStatus:
        await session.run(partial(check_database, rights=ACCEPT_LOSS))
        return await accept_loss(config, session, partition, by)

    output.loss_accepted(run_repeated(config, work, "accept the loss"))


offsets_group.add_command(skip_command)
cli.add_command(verify_command)
cli.add_command(rebuild_command)
cli.add_command(dead_letters_group)


def main() -> None:
    """Run a command, print its error if it fails, and exit.

    An expected error is printed as one line per problem, any other error as a traceback.
    """
    open_closed_streams()
    try:
        check_encoding(sys.argv)
        code = cli(prog_name="agent-runs-consumer", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:  # Ctrl-C. click itself would exit with 1, which means that verify found differences.
        sys.exit(_INTERRUPTED)
    except tuple(_EXIT_CODES) as error:
        for line in str(error).split("\n"):
            click.echo(f"error: {escape_line(line)}", err=True)
        sys.exit(next(code for kind, code in _EXIT_CODES.items() if isinstance(error, kind)))
    except Exception:  # noqa: BLE001  # a bug, or an OSError such as a full disk; an open transaction is rolled back
        click.echo(escape_lines(traceback.format_exc()), err=True)
        sys.exit(_EXIT_CODES[OperatorNeeded])
    sys.exit(code)  # None, or that of `--help`
