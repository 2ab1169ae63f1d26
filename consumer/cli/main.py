"""The commands of `python -m consumer`, and what their exit codes mean."""

import os
import sys
import traceback
from collections import Counter
from typing import Final

import click

from agent_runs.errors import SettingsError
from agent_runs.escaping import escape_line, escape_lines
from consumer.cli import reports
from consumer.cli.command import run, run_with_session
from consumer.cli.dead_letters import dead_letters_group
from consumer.config import Config, read_config
from consumer.errors import GaveUp, OperatorNeeded, UsageError
from consumer.kafka.topic_admin import check_topic, create_topic
from consumer.kafka.topic_reader import TopicReader
from consumer.partitions.offsets import PartitionStatus, accept_loss, show_offsets
from consumer.postgres.migrations import check_schema, migrate
from consumer.postgres.session import PatientSession, Session
from consumer.postgres.store import Store
from consumer.runtime.retrying import retry_while_unavailable
from consumer.service import serve
from consumer.verify.runs import Difference, verify_runs
from consumer.verify.topic import TopicCheck

_EXIT_CODES: Final[dict[type[Exception], int]] = {SettingsError: 2, UsageError: 2, OperatorNeeded: 3, GaveUp: 4}
_DIFFERENCES_FOUND: Final = 1


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Carries RunEvents from a Kafka topic into PostgreSQL, each one exactly once and in order.

    Settings come from the environment: KAFKA_BOOTSTRAP_SERVERS, DATABASE_URL, AGENT_RUNS_TOPIC, and more
    (docs/operating.md).
    Exit codes: 0 done; 1 verify found differences, or a letter that was tried again stays open; 2 usage or settings;
    3 an operator must decide; 4 gave up on the world.
    """


@cli.command("migrate")
def migrate_command() -> None:
    """Make or update the schema, and the roles that may use it."""
    config = read_config(os.environ, "database", "service", "topic")
    reports.migrated(run_with_session(config, lambda session: session.ask_for_long(migrate)))


@cli.command("create-topic")
@click.option(
    "--partitions",
    type=click.IntRange(min=1),
    default=12,
    show_default=True,
    help="Adding some later would move keys, and split runs.",
)
@click.option(
    "--replicas", type=click.IntRange(min=1), help="Copies of each partition; 3, or one a broker, unless told."
)
@click.option("--retention-days", type=click.FloatRange(min=0.001), help="How long records stay; for ever unless told.")
def create_topic_command(partitions: int, replicas: int | None, retention_days: float | None) -> None:
    """Make the topic as it should be; where it exists, compare."""
    config = read_config(os.environ, "kafka", "topic", "service")
    retention_ms = -1 if retention_days is None else int(retention_days * 86_400_000)

    creating = retry_while_unavailable(
        lambda: create_topic(config.kafka, config.topic, partitions, replicas, retention_ms),
        "create the topic",
        config.service.give_up_s,
    )
    reports.topic_made(config.topic.topic, run(config, creating))


@cli.command("run")
@click.option("--until-end", is_flag=True, help="Stop when what is in the log now is stored.")
def run_command(until_end: bool) -> None:  # noqa: FBT001  # click's way of giving a flag
    """Consume until SIGTERM. Start more of these to share the partitions."""
    config = read_config(os.environ)
    run(config, serve(config, to_end=until_end))


@cli.command("verify")
@click.option("--topic", is_flag=False, flag_value="", help="Also read this topic, and look for every record of it.")
def verify_command(topic: str | None) -> None:
    """Compare the tables with the fold of their events; with --topic also the topic with the tables."""
    environ = {**os.environ, "AGENT_RUNS_TOPIC": topic} if topic else os.environ
    config = read_config(environ, "database", "service", "topic", *(["kafka"] if topic is not None else []))

    async def work(session: PatientSession) -> tuple[list[Difference], Counter[str] | None]:
        await session.ask(check_schema)
        found = [difference async for difference in verify_runs(session)]
        if topic is None:
            return found, None
        of_topic, places = await retry_while_unavailable(
            lambda: _verify_topic(config, session), "verify the topic", config.service.give_up_s
        )
        return found + of_topic, places

    found, places = run_with_session(config, work)
    if places is not None:
        reports.places(places)
    reports.differences(found)
    sys.exit(_DIFFERENCES_FOUND if found else 0)


async def _verify_topic(config: Config, session: Session) -> tuple[list[Difference], Counter[str]]:
    await check_topic(config.kafka, config.topic)
    log = await TopicReader.open(config.kafka, config.topic.topic)
    try:
        check = TopicCheck(session, log, config.topic.max_event_bytes)
        offsets = (await session.ask(Store.offsets)).values()
        return [difference for stored in offsets async for difference in check.partition(stored)], check.places
    finally:
        await log.close()


@cli.group("offsets")
def offsets_group() -> None:
    """Where consumption stands, and going on after records were lost."""


@offsets_group.command("show")
def offsets_show_command() -> None:
    """Show where each partition stands, in the tables and in the log, and what halts it."""
    config = read_config(os.environ, "kafka", "database", "topic", "ingest", "service")

    async def work(session: PatientSession) -> list[PartitionStatus]:
        await session.ask(check_schema)
        return await retry_while_unavailable(
            lambda: show_offsets(config, session), "read the offsets", config.service.give_up_s
        )

    reports.offsets(run_with_session(config, work))


@offsets_group.command("accept-loss")
@click.option("--partition", type=int, required=True, help="The halted partition.")
@click.option("--by", required=True, help="Who decides this; it is written down.")
def accept_loss_command(partition: int, by: str) -> None:
    """Go on from where the log begins, without the records that it no longer holds."""
    config = read_config(os.environ, "kafka", "database", "topic", "service")

    async def work(session: PatientSession) -> PartitionStatus:
        await session.ask(check_schema)
        return await retry_while_unavailable(
            lambda: accept_loss(config.kafka, config.topic, session, partition, by),
            "accept the loss",
            config.service.give_up_s,
        )

    reports.loss_accepted(run_with_session(config, work))


cli.add_command(dead_letters_group)


def main() -> None:
    """Run a command; errors that we know become one clear line and an exit code."""
    try:
        cli(prog_name="python -m consumer")
    except tuple(_EXIT_CODES) as error:
        for line in str(error).split("\n"):
            click.echo(f"error: {escape_line(line)}", err=True)
        sys.exit(_EXIT_CODES[type(error)])
    except Exception:  # noqa: BLE001  # a fault of ours: nothing was stored, and somebody must look at it
        click.echo(escape_lines(traceback.format_exc()), err=True)
        sys.exit(_EXIT_CODES[OperatorNeeded])
