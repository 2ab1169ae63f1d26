"""The command `status`."""

import asyncio
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import click
import msgspec

from agent_runs.cli.output import note, print_fact, print_json, print_table, since, to_json
from agent_runs.cli.source import read_database
from agent_runs.errors import KafkaUnavailable, SettingsError
from agent_runs.reader import PartitionStatus, Reader, StatusCount, StoreStatus
from agent_runs.settings import DEFAULT_TOPIC, KafkaSettings, env, read_sections
from agent_runs.status import RunStatus
from agent_runs.times import time_text

_MAX_LETTERS: Final = 10_000


class _Topic(msgspec.Struct, frozen=True):
    topic: Annotated[str, env("AGENT_RUNS_TOPIC", min_length=1)] = DEFAULT_TOPIC


class _Lag(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table.

    Attributes:
        lag_records: how many records are not stored; None if Kafka could not be asked.
        lag_seconds: the age of the first of them; 0 if there is none.
    """

    partition: int
    next_offset: int | None
    last_record_at: datetime | None
    lag_records: int | None = None
    lag_seconds: float | None = None


@click.command("status")
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Text or JSON."
)
def status_command(output: str) -> None:
    """Show the number of runs, the lag, and open dead letters.

    Runs are counted by status. The lag is shown by partition, in records and in seconds. A number after ~ is an
    estimate. Without Kafka, the lag is not shown, and the exit code is 4.

    \b
    Examples:
      agent-runs status
      agent-runs status -o json
    """
    counts, store = read_database(_read)
    topic = read_sections({"topic": _Topic}, os.environ)["topic"].topic
    of_topic = [partition for partition in store.partitions if partition.topic == topic]
    problem = None
    try:
        rows = _with_lag(of_topic, topic)
    except (KafkaUnavailable, SettingsError) as error:
        problem = error
        rows = [
            _Lag(partition=p.partition, next_offset=p.next_offset, last_record_at=p.last_record_at) for p in of_topic
        ]
    if output == "json":
        print_json(to_json(_document(counts, store, topic, rows)).encode())
    else:
        _print(counts, store, topic, rows)
    others = sorted({partition.topic for partition in store.partitions} - {topic})
    if others and not of_topic:
        note(f"The database holds the topic {others[0]!r}, not {topic!r}: set AGENT_RUNS_TOPIC.")
    if problem is not None:
        note("The lag is not known:")
        raise problem


async def _read(reader: Reader) -> tuple[dict[RunStatus, StatusCount], StoreStatus]:
    return await reader.count_by_status(), await reader.store_status()


def _with_lag(partitions: list[PartitionStatus], topic: str) -> list[_Lag]:
    from agent_runs.kafka.topic_ends import read_lag  # noqa: PLC0415  # loads the Kafka client

    settings = read_sections({"kafka": KafkaSettings}, os.environ)["kafka"]
    stored = {partition.partition: partition for partition in partitions}
    lag = asyncio.run(read_lag(settings, topic, {number: each.next_offset for number, each in stored.items()}))
    now = datetime.now(UTC)
    rows = []
    for number, (records, oldest_at, *_) in sorted(lag.items()):
        seconds = max(0.0, (now - oldest_at).total_seconds()) if oldest_at else None if records else 0.0
        known = stored.get(number)
        rows.append(
            _Lag(
                partition=number,
                next_offset=known.next_offset if known else None,
                last_record_at=known.last_record_at if known else None,
                lag_records=records,
                lag_seconds=seconds,
            )
        )
    return rows


def _document(
    counts: Mapping[RunStatus, StatusCount], store: StoreStatus, topic: str, rows: list[_Lag]
) -> dict[str, Any]:
    return {
        "runs": {status.value: count for status, count in counts.items()},
        "topic": topic,
        "partitions": rows,
        "open_dead_letters": store.open_dead_letters,
        "last_record_at": max((row.last_record_at for row in rows if row.last_record_at), default=None),
    }


def _print(counts: Mapping[RunStatus, StatusCount], store: StoreStatus, topic: str, rows: list[_Lag]) -> None:
    runs = ", ".join(f"{'~' if each.is_estimate else ''}{each.count} {status}" for status, each in counts.items())
    letters = store.open_dead_letters
    last = max((row.last_record_at for row in rows if row.last_record_at), default=None)
    facts = {
        "runs": runs,
        "dead letters": f"{f'more than {_MAX_LETTERS}' if letters > _MAX_LETTERS else letters} open",
        "last record": f"{time_text(last)} ({since(last)} ago)" if last else "none stored yet",
        "topic": topic,
    }
    for name, value in facts.items():
        print_fact(name, value, 13)
    print_table(("PARTITION", "STORED UP TO", "LAST RECORD", "LAG", "LAG SECONDS"), map(_row, rows))


def _row(row: _Lag) -> tuple[str, ...]:
    values = (
        str(row.partition),
        None if row.next_offset is None else str(row.next_offset),
        None if row.last_record_at is None else time_text(row.last_record_at),
        None if row.lag_records is None else str(row.lag_records),
        None if row.lag_seconds is None else f"{row.lag_seconds:.1f}",
    )
    return tuple("-" if value is None else value for value in values)
