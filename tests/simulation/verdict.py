"""What the checker says of the models, and what must hold in each commit."""

from __future__ import annotations

from tests.checker import Violation, compare
from tests.checker.log import Extent, Log, Place, Record
from tests.checker.tables import DeadLetterRow, EventRow, OffsetRow, RunRow, Tables
from tests.simulation import statements
from tests.simulation.tables import Transaction
from tests.simulation.topic import NAME, PartitionLog
from tests.simulation.world import World


def watch_commits(world: World) -> None:
    """S8 and S9: each batch begins where the one before it ended, and no offset ever decreases."""

    def watch(tx: Transaction) -> None:
        for partition, (begins, ends) in tx.moves.items():
            stands = tx.committed("offsets", (NAME, partition)).next_offset
            if begins != stands or ends < begins:
                world.problems.append(f"S9: partition {partition} stood at {stands}, a batch went {begins} to {ends}")
        if tx.moves:
            world.tell(f"committed by backend {tx.pid}: {tx.moves}")
        for key, row in tx.all("offsets").items():
            before = tx.committed("offsets", key)
            if before is not None and row.next_offset < before.next_offset:
                world.problems.append(f"S8: partition {key[1]} went from {before.next_offset} to {row.next_offset}")

    world.server.tables.committing.append(watch)


def violations(world: World, *, finished: bool) -> list[Violation]:
    """What is wrong in this moment by the rules of the checker."""
    # Who finds another log under his feet puts the fingerprint back to the last record that he knows to be of the old.
    restored = {f"partition {log.partition}" for log in world.logs if log.truncated}
    found = compare(_log(world), _tables(world), finished=finished)
    return [one for one in found if not (one.subject in restored and one.message.startswith("last_"))]


def stored_up_to(world: World, log: PartitionLog) -> int | None:
    row = world.server.tables.rows["offsets"].get((NAME, log.partition))
    return None if row is None else row.next_offset


def _log(world: World) -> Log:
    ends = {log.partition: max(log.ends, stored_up_to(world, log) or 0) for log in world.logs}
    return Log(
        topic=NAME,
        extents={log.partition: Extent(log.first, ends[log.partition]) for log in world.logs},
        records=[
            Record(Place(record.partition, record.offset), record.timestamp, record.key, record.value, _pairs(record))
            for log in world.logs
            for record in sorted(log.history(), key=lambda record: record.offset)
        ],
    )


def _pairs(record: object) -> tuple[tuple[str, bytes | None], ...]:
    return tuple(record.headers)  # type: ignore[attr-defined]


def _tables(world: World) -> Tables:
    rows = world.server.tables.rows
    return Tables(
        runs=[_run(key[0], row) for key, row in rows["runs"].items()],
        events=[_event(row) for row in rows["events"].values()],
        offsets=[OffsetRow(*key, *row) for key, row in rows["offsets"].items()],
        dead_letters=[_letter(key, row) for key, row in rows["letters"].items()],
    )


def _run(run_id: str, row: statements.RunRow) -> RunRow:
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
    )


def _event(row: statements.EventRow) -> EventRow:
    columns = row._asdict()
    return EventRow(**columns | {"event_data": row.event_data.decode()})


def _letter(key: tuple[str, int, int, int | None], row: statements.DeadLetterRow) -> DeadLetterRow:
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
