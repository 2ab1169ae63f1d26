"""The checker applied to the models (`violations`), and the invariants of each commit (`watch_commits`)."""

from __future__ import annotations

from tests.checker import Violation, compare
from tests.checker.log import Extent, Log, Place, Record
from tests.checker.tables import DeadLetterRow, EventRow, OffsetRow, RunRow, Tables
from tests.simulation.environment import Environment
from tests.simulation.kafka.topic import TOPIC, PartitionLog
from tests.simulation.postgres import tables
from tests.simulation.postgres.tables import Transaction


def watch_commits(env: Environment) -> None:
    """Check S8 and S9 in each commit: a batch starts where the previous one ended, and no offset decreases."""

    def watch(tx: Transaction) -> None:
        for partition, (start, end) in tx.moves.items():
            stored = tx.committed("offsets", (TOPIC, partition)).next_offset
            if start != stored or end < start:
                env.problems.append(f"S9: partition {partition} was at {stored}, the batch is {start} to {end}")
        if tx.moves:
            env.trace(f"committed by backend {tx.pid}: {tx.moves}")
        for key, row in tx.all("offsets").items():
            before = tx.committed("offsets", key)
            if before is not None and row.next_offset < before.next_offset:
                env.problems.append(f"S8: partition {key[1]} moved from {before.next_offset} to {row.next_offset}")

    env.server.tables.on_commit.append(watch)


def violations(env: Environment, *, finished: bool) -> list[Violation]:
    """The violations of the checker's rules at this moment; `finished` is that of `compare`."""
    # On a truncated log the service restores the fingerprint of the last record that it has verified, so
    # last_offset and last_timestamp of such a partition differ from the checker's.
    restored = {f"partition {log.partition}" for log in env.logs if log.truncated}
    found = compare(_log(env), _tables(env), finished=finished)
    return [one for one in found if not (one.subject in restored and one.message.startswith("last_"))]


def stored_up_to(env: Environment, log: PartitionLog) -> int | None:
    """The partition's stored next_offset, None before its row exists."""
    row = env.server.tables.rows["offsets"].get((TOPIC, log.partition))
    return None if row is None else row.next_offset


def _log(env: Environment) -> Log:
    ends = {log.partition: max(log.end_offset, stored_up_to(env, log) or 0) for log in env.logs}
    return Log(
        topic=TOPIC,
        extents={log.partition: Extent(log.base_offset, ends[log.partition]) for log in env.logs},
        records=[
            Record(
                Place(record.partition, record.offset),
                record.timestamp,
                record.key,
                record.value,
                tuple(record.headers),
            )
            for log in env.logs
            for record in sorted(log.history(), key=lambda record: record.offset)
        ],
    )


def _tables(env: Environment) -> Tables:
    rows = env.server.tables.rows
    return Tables(
        runs=[_run(key[0], row) for key, row in rows["runs"].items()],
        events=[_event(row) for row in rows["events"].values()],
        offsets=[OffsetRow(*key, *row) for key, row in rows["offsets"].items()],
        dead_letters=[_letter(key, row) for key, row in rows["dead_letters"].items()],
    )


def _run(run_id: str, row: tables.RunRow) -> RunRow:
    return RunRow(
        id=run_id,
        parent_run_id=row.parent_run_id,
        agent_id=row.agent_id,
        session_id=row.session_id,
        status=row.status,
        created_at=row.created_at,
        updated_at=row.updated_at,
        event_count=row.event_count,
        status_changed_at=row.status_changed_at,
        dropped_events=row.dropped_events,
        completed_by_tool=row.completed_by_tool,
        open_questions=row.open_questions.decode(),
        answered_questions=row.answered_questions.decode(),
        labels=row.labels.decode(),
    )


def _event(row: tables.EventRow) -> EventRow:
    columns = row._asdict()
    return EventRow(**columns | {"event_data": row.event_data.decode()})


def _letter(key: tuple[str, int, int, int | None], row: tables.DeadLetterRow) -> DeadLetterRow:
    return DeadLetterRow(
        topic=key[0],
        partition=key[1],
        record_offset=key[2],
        record_timestamp=row.timestamp,
        key=row.key,
        value=row.value,
        headers=row.headers.decode(),
        reason=row.reason,
        state="open",
        retries=0,
    )
