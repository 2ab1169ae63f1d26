"""Prints the result of `offsets show`, as a table or as one JSON document."""

from collections.abc import Sequence
from typing import Any, Final

import click
import msgspec
from rich.table import Table

from agent_runs.cli.output import console, print_line
from agent_runs.escaping import escape_line
from consumer.model.topic_status import OpenTransaction, TopicStatus
from consumer.partitions.offsets_commands import OffsetsReport, PartitionStatus
from consumer.settings import TopicConfig

_WIDTH: Final = 200  # columns, if the output is not a terminal


def offsets_as_json(report: OffsetsReport, config: TopicConfig) -> None:
    """Print one JSON document; docs/operating.md describes its fields."""
    topic = report.topic
    document = {
        "topic": config.topic,
        "group": config.group,
        "read_at_ms": topic.read_ms,
        "owners_known": topic.owners_known,
        "open_dead_letters": topic.open_dead_letters,
        "oldest_open_dead_letter_seconds": topic.oldest_dead_letter_s,
        "partitions": [_as_json(status, topic) for status in report.partitions],
    }
    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))


def _as_json(status: PartitionStatus, topic: TopicStatus) -> dict[str, Any]:
    stored, watched = status.stored, status.watched
    owner = watched.owner if watched else None
    transaction = watched.transaction if watched else None
    return {
        "partition": status.partition,
        "log_start": status.bounds.start_offset,
        "stable_end": status.bounds.end_offset,
        "log_end": watched.end_offset if watched else None,
        "next_offset": stored.next_offset if stored else None,
        "repeats": stored.repeats if stored else None,
        "lag_records": watched.lag if watched else None,
        "lag_seconds": _lag_seconds(status, topic),
        "state": _state(status),
        "halt_reason": _reason(status),
        "owner": {"client_id": owner.client_id, "host": owner.host, "member_id": owner.member_id} if owner else None,
        "open_transaction": _transaction_as_json(transaction, topic) if transaction else None,
    }


def _transaction_as_json(transaction: OpenTransaction, topic: TopicStatus) -> dict[str, Any]:
    return {
        "start_offset": transaction.start_offset,
        "open_seconds": _seconds_since(transaction.begun_ms, topic),
        "transactional_id": transaction.transactional_id,
        "producer_id": transaction.producer_id,
        "epoch": transaction.epoch,
    }


def offsets_as_table(report: OffsetsReport, config: TopicConfig) -> None:
    """Print a table of the partitions, why some are halted or stalled, and which open transactions block some."""
    target = console()
    if not target.is_terminal:
        target.width = _WIDTH
    target.print(_table(report))
    for status in report.partitions:
        for problem in filter(None, (status.lost, status.tripped, status.stalled)):
            print_line(f"partition {status.partition}: {problem}")
    for status in report.partitions:
        if status.watched and (transaction := status.watched.transaction):
            seconds = _seconds_since(transaction.begun_ms, report.topic)
            print_line(
                f"partition {status.partition}: a transaction of {transaction.producer}, open for "
                f"{_shown(seconds)} s, blocks the records from offset {transaction.start_offset} on",
            )
    if not report.topic.owners_known:
        print_line(f"The owners are not known: group {config.group!r} is rebalancing, or may not be described.")
    if any(status.lost for status in report.partitions):
        print_line(
            "To continue without the lost records: agent-runs-consumer offsets accept-loss --partition N --by NAME",
        )


def _table(report: OffsetsReport) -> Table:
    columns = ("partition", "log start", "log end", "stored up to", "lag", "lag in s", "repeats", "state", "owner")
    table = Table(*columns)
    for status in report.partitions:
        watched, stored = status.watched, status.stored
        owner = watched.owner if watched else None
        row: Sequence[object] = (
            status.partition,
            status.bounds.start_offset,
            watched.end_offset if watched else None,
            stored.next_offset if stored else None,
            watched.lag if watched else None,
            _lag_seconds(status, report.topic),
            stored.repeats if stored else None,
            _state(status),
            f"{owner.member_id} at {owner.host}" if owner else None,  # a member id begins with the client id
        )
        table.add_row(*map(_shown, row))
    return table


def _shown(value: object) -> str:
    return "-" if value is None else escape_line(f"{value:.0f}" if isinstance(value, float) else str(value))


def _state(status: PartitionStatus) -> str:
    if status.lost or status.tripped:
        return "halted"
    return "stalled" if status.stalled else "ok"


def _reason(status: PartitionStatus) -> str | None:
    return "; ".join(filter(None, (status.lost, status.tripped, status.stalled))) or None


def _lag_seconds(status: PartitionStatus, topic: TopicStatus) -> float | None:
    """Return the age of the first record that is not stored; None if it is not known."""
    if status.watched is None:
        return None
    return _seconds_since(status.watched.oldest_ms, topic) if status.watched.lag else 0.0


def _seconds_since(time_ms: int | None, topic: TopicStatus) -> float | None:
    return None if time_ms is None else max(0.0, (topic.read_ms - time_ms) / 1000)
