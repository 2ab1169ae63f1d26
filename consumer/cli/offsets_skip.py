"""The command `offsets skip`."""

import os
from functools import partial

import click

from consumer.cli import output
from consumer.cli.command import run_repeated
from consumer.partitions.skip_command import Decision, Skipped, skip
from consumer.postgres.requirements import SKIP, check_database
from consumer.postgres.session import Session
from consumer.settings import read_config


@click.command("skip", short_help="Skip a record that cannot be read or written.")
@click.option("--partition", type=int, required=True, help="The halted partition.")
@click.option("--offset", type=int, required=True, help="The offset that the reason of the halt names.")
@click.option("--by", required=True, help="Who decides it; stored in dead_letter_history.")
@click.option("--because", required=True, help="The reason; stored in dead_letter_history.")
def skip_command(partition: int, offset: int, by: str, because: str) -> None:
    """Skip a record that halts a partition because it cannot be read or written.

    The command reads the record as a consumer does, three times. If that fails, the record becomes a dead letter with
    the reason "unreadable", and the partition continues behind it. If the bytes of its record batch cannot be split
    into records, the dead letter stands for the rest of the batch.

    Exit code 2: the partition is not halted at this record. If the record can be read and written, it is stored.
    """
    config = read_config(os.environ, "kafka", "database", "topic", "service")
    decision = Decision(partition, offset, by, because)

    async def work(session: Session) -> Skipped:
        await session.run(partial(check_database, rights=SKIP))
        return await skip(config, session, decision)

    output.skipped(partition, offset, run_repeated(config, work, "skip the record"))
