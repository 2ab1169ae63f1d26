"""The command `verify`."""

import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import click

from agent_runs.kafka.decompression import decompression_limit
from consumer.cli.command import run_with_sessions
from consumer.cli.progress import show_progress
from consumer.cli.selection import Share, check_given, selection, selection_options
from consumer.cli.verify_output import VerifyReport, report_as_json, report_as_text
from consumer.kafka.topic_admin import check_topic
from consumer.kafka.topic_reader import PatientTopicReader
from consumer.postgres.requirements import READ, check_database
from consumer.postgres.session import Session
from consumer.postgres.store import Store
from consumer.runtime.retrying import retry_while_unavailable
from consumer.settings import Config, read_config
from consumer.verify.pages import Selection, count_events
from consumer.verify.runs import verify_other_tables, verify_runs
from consumer.verify.topic import TopicCheck

_DIFFERENCES_FOUND: Final = 1
_SESSIONS: Final = 3  # two read pages, one reads details


@click.command("verify")
@click.option(
    "--topic",
    is_flag=False,
    flag_value="",
    metavar="[NAME]",
    help="Also look in the tables for each record of this topic below the stored offset. "
    "Default NAME: AGENT_RUNS_TOPIC.",
)
@selection_options
@click.option(
    "--sample",
    type=Share(),
    default="100%",
    metavar="SHARE",
    help="Only a share of the runs, such as 1%: other ones each time.",
)
@click.option(
    "--output", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Format."
)
def verify_command(topic: str | None, form: str, sample: int, **selected: Any) -> None:
    """Compare the tables with what the events determine.

    Reads page by page while consumers store events, and changes nothing. With --topic, also compares the topic with the
    tables.

    Exit code 1: there are differences.
    """
    environ = {**os.environ, "AGENT_RUNS_TOPIC": topic} if topic else os.environ
    config = read_config(environ, "database", "service", "topic", *(["kafka"] if topic is not None else []))

    async def work(sessions: Sequence[Session]) -> VerifyReport:
        await sessions[0].run(partial(check_database, rights=READ))
        report = VerifyReport()
        started = time.monotonic()
        await _verify_runs(sessions, selection(millionths=sample, **selected), report)
        if topic is not None:
            report.counts_by_outcome = await _verify_topic(config, sessions[0], report)
        report.duration_s = time.monotonic() - started
        return report

    report = run_with_sessions(config, _SESSIONS, work)
    (report_as_json if form == "json" else report_as_text)(report)
    sys.exit(_DIFFERENCES_FOUND if report.count else 0)


async def _verify_runs(sessions: Sequence[Session], selected: Selection, report: VerifyReport) -> None:
    report.add(await check_given(sessions[0], selected))
    with show_progress("verify", await count_events(sessions[0], selected)) as show:
        async for page in verify_runs(sessions, selected):
            report.add(page.differences)
            report.runs += page.runs
            report.events += page.events
            show(page.events, page.verified_up_to)
    if selected.ids is None:
        async for difference in verify_other_tables(sessions[0]):
            report.add([difference])


async def _verify_topic(config: Config, session: Session, report: VerifyReport) -> dict[str, int]:
    """Add the differences between the topic and the tables; return how many records were found as what."""
    give_up_s = config.service.give_up_s
    await retry_while_unavailable(lambda: check_topic(config.kafka, config.topic), "check the topic", give_up_s)
    decompression_limit.set(config.topic.decompression_limit)
    topic_reader = PatientTopicReader(config.kafka, config.topic.topic, give_up_s)
    try:
        await topic_reader.connect()
        check = TopicCheck(session, topic_reader, config.topic.max_event_bytes)
        for stored in (await session.run(Store.offsets)).values():
            async for difference in check.compare(stored):
                report.add([difference])
        return check.counts_by_outcome
    finally:
        await topic_reader.close()
