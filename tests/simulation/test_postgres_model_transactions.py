"""The model of PostgreSQL and a real server give the same results and errors: offsets, runs, transactions."""

import asyncio
from contextlib import nullcontext
from typing import Any

import msgspec
import pytest

from agent_runs.questions import Question
from agent_runs.status import RunState, RunStatus
from consumer.errors import (
    Blocked,
    ConnectionLost,
    DataRefused,
    NewConnection,
    StaleOffsets,
    Unavailable,
)
from consumer.ingest.sequencing import Head
from consumer.ingest.transaction import Transaction
from consumer.model.records import Fingerprint
from consumer.postgres.store import Store
from tests.simulation.conftest import TOPIC
from tests.simulation.postgres_calls import event_with_data, heads, positions, slice_of
from tests.support.builders import rejection

BLOCKED_FOR_S = 0.15

# --- the offsets ---


async def test_offsets_move_only_from_their_stored_position(store: Store) -> None:
    async with store.transaction():
        await Transaction(store).move_offsets([slice_of(0, 0, 3, Fingerprint(2, 1000)), slice_of(1, 5, 6)])
    with pytest.raises(StaleOffsets):
        async with store.transaction():
            await Transaction(store).move_offsets([slice_of(0, 3, 4), slice_of(1, 5, 7)])

    assert await positions(store) == {0: (0, 3, 2, 1000, 0), 1: (5, 6, None, None, 0)}


async def test_begin_partitions_leaves_existing_partitions_unchanged(store: Store) -> None:
    await store.fetch("begin_partitions", TOPIC, [1, 2], [9, 9])

    assert await positions(store) == {0: (0, 0, None, None, 0), 1: (5, 5, None, None, 0), 2: (9, 9, None, None, 0)}


async def test_a_batch_without_records_keeps_the_fingerprint(store: Store) -> None:
    async with store.transaction():
        await Transaction(store).move_offsets([slice_of(0, 0, 3, Fingerprint(2, 1000))])
    async with store.transaction():
        await Transaction(store).move_offsets([slice_of(0, 3, 8)])
        await Transaction(store).count_repeats({0: 4})
    await store.fetch("restore_fingerprint", TOPIC, 1, 4, 70)

    assert await positions(store) == {0: (0, 8, 2, 1000, 4), 1: (5, 5, 4, 70, 0)}


@pytest.mark.parametrize("commits", [1, 0])
async def test_offsets_are_compared_again_after_waiting_for_their_lock(
    store: Store, other: Store, commits: int
) -> None:
    # Given an open transaction that has moved the offsets,
    async def move() -> None:
        async with other.transaction():
            await Transaction(other).move_offsets([slice_of(0, 0, 9)])

    with nullcontext() if commits else pytest.raises(ZeroDivisionError):
        async with store.transaction():
            await Transaction(store).move_offsets([slice_of(0, 0, 3)])
            # when another one moves them from the same position, then it waits;
            waiting = asyncio.create_task(move())
            await asyncio.sleep(BLOCKED_FOR_S)
            assert not waiting.done()
            assert 1 / commits
    # after a commit the offsets are stale, after a rollback the move succeeds.
    if commits:
        with pytest.raises(StaleOffsets):
            await waiting
    else:
        await waiting
    assert (await positions(store))[0][1] == (3 if commits else 9)


async def test_waiting_for_a_lock_ends_after_lock_timeout(store: Store, other: Store) -> None:
    async with store.transaction():
        await Transaction(store).move_offsets([slice_of(0, 0, 3)])
        with pytest.raises(Blocked):
            async with other.transaction():
                await Transaction(other).move_offsets([slice_of(0, 0, 3)])
        async with other.transaction():
            await Transaction(other).move_offsets([slice_of(1, 5, 6)])


async def test_a_stalled_backend_that_holds_offsets_is_terminated(store: Store, other: Store) -> None:
    with pytest.raises(ConnectionLost):  # noqa: PT012  # the transaction's end is a part of it
        async with store.transaction():
            await Transaction(store).move_offsets([slice_of(0, 0, 3)])
            await asyncio.sleep(BLOCKED_FOR_S)
            assert await other.terminate_stalled_owner([1], 0.1) == []
            assert await other.terminate_stalled_owner([0], 60.0) == []
            assert len(await other.terminate_stalled_owner([0], 0.1)) == 1
            await asyncio.sleep(0.05)
            await Transaction(store).count_repeats({0: 1})
    assert not store.usable
    async with other.transaction():
        await Transaction(other).move_offsets([slice_of(0, 0, 3)])


# --- runs ---

ASKED = RunState(RunStatus.WAITING, (Question("q1", "ask_human"), Question("é", "q")), (Question("q0", "approve"),))


async def test_inserting_a_run_waits_for_a_transaction_that_inserts_it_too(store: Store, other: Store) -> None:
    async def make() -> dict[str, Head]:
        async with other.transaction():
            tx = Transaction(other)
            await tx.insert_runs({"r1": 50, "r2": 50})
            return await tx.lock_runs(["r1", "r2"], {})

    async with store.transaction():
        await Transaction(store).insert_runs({"r1": 10})
        making = asyncio.create_task(make())
        await asyncio.sleep(BLOCKED_FOR_S)
        assert not making.done()
    assert {run_id: head.event_count for run_id, head in (await making).items()} == {"r1": 0, "r2": 0}


async def test_update_runs_keeps_the_columns_that_a_head_leaves_unset(store: Store) -> None:
    async with store.transaction():
        tx = Transaction(store)
        await tx.insert_runs({"r1": 10, "parent": 10})
        head = Head(run_id="r1", state=ASKED, event_count=2, updated_at=20, dropped_events=3)
        await tx.update_runs([head])
    assert await heads(store, "r1") == {"r1": msgspec.structs.replace(head, stored=ASKED, updated_at=None)}
    async with store.transaction():
        tx = Transaction(store)
        assert await tx.started_runs(["r1", "parent"]) == set()
        facts: dict[str, Any] = {"started_at": 30, "agent_id": "a", "parent_run_id": "parent", "labels": {"v": "1"}}
        await tx.update_runs([Head(run_id="r1", event_count=3, updated_at=30, **facts)])
        assert await tx.started_runs(["r1", "parent", "none"]) == {"r1"}

    async with store.transaction():
        await Transaction(store).update_runs([Head(run_id="r1", event_count=4, updated_at=40)])

    state = msgspec.structs.replace(ASKED, status=RunStatus.RUNNING)
    head = Head(run_id="r1", state=state, stored=state, event_count=4, started=True)
    assert await heads(store, "r1") == {"r1": head}
    with pytest.raises(DataRefused, match="left out or changed 1 of 2 rows of agent_runs"):
        await heads(store, "r1", "none")


async def test_lock_runs_ignores_what_an_earlier_version_left_in_ended_and_continued_runs(store: Store) -> None:
    # Given runs whose status was changed by a consumer that does not know the questions,
    ended = msgspec.structs.replace(ASKED, status=RunStatus.FAILED)
    continued = RunState(completed_by_tool=True)
    async with store.transaction():
        tx = Transaction(store)
        await tx.insert_runs({"ended": 10, "continued": 10})
        heads_of = [Head(run_id="ended", state=ended), Head(run_id="continued", state=continued)]
        await tx.update_runs(msgspec.structs.replace(head, event_count=1, updated_at=10) for head in heads_of)
    # when they are locked, then the state has no open questions and was not completed by a tool,
    async with store.transaction():
        tx = Transaction(store)
        locked = await tx.lock_runs(["ended", "continued"], {})
        assert {run_id: head.stored for run_id, head in locked.items()} == {"ended": ended, "continued": continued}
        states = {run_id: head.state for run_id, head in locked.items()}
        repaired = RunState(RunStatus.FAILED, (), ASKED.answered_questions)
        assert states == {"ended": repaired, "continued": RunState()}
        await tx.update_runs(msgspec.structs.replace(head, updated_at=20) for head in locked.values())
    # and the next update repairs the rows.
    assert {run_id: head.stored for run_id, head in (await heads(store, "ended", "continued")).items()} == states


async def test_a_parent_without_a_row_is_refused(store: Store) -> None:
    with pytest.raises(NewConnection):  # noqa: PT012  # the transaction's end is a part of it
        async with store.transaction():
            tx = Transaction(store)
            await tx.insert_runs({"r1": 10})
            await tx.update_runs([Head(run_id="r1", event_count=1, updated_at=10, parent_run_id="nowhere")])


async def test_lock_runs_locks_a_parent_only_if_it_has_no_events_and_a_later_time(store: Store, other: Store) -> None:
    async with store.transaction():
        await Transaction(store).insert_runs({"busy": 50, "stub": 50, "early": 5})
        await Transaction(store).update_runs([Head(run_id="busy", event_count=1, updated_at=50)])

    async with store.transaction():
        await Transaction(store).lock_runs(["busy"], {})
        async with other.transaction():
            assert await Transaction(other).lock_runs([], {"busy": 10, "stub": 10, "early": 10}) == {}
        rows = await store.fetch("lock_runs", ["busy", "early", "stub"], [1, 1, 1])
    assert [row["id"] for row in rows] == ["early", "stub"]
    assert await store.fetch("lock_runs", ["stub"], [10]) == []


# --- dead letters, errors and the end of a transaction ---


async def test_a_dead_letter_is_inserted_once(store: Store) -> None:
    timeless = rejection(offset=9)
    timeless.record.timestamp = 10**18
    letters = [rejection(offset=8), timeless]
    async with store.transaction():
        inserted = await Transaction(store).insert_dead_letters(letters)
    assert [letter.rejection for letter in inserted] == letters
    assert inserted[0].id < inserted[1].id
    async with store.transaction():
        assert await Transaction(store).insert_dead_letters(letters) == []


async def test_open_dead_letters_are_found_by_their_offset_range(store: Store) -> None:
    async with store.transaction():
        await Transaction(store).insert_dead_letters([rejection(offset=offset) for offset in (7, 8, 9)])

    for begin, end, found in ((7, 10, 3), (8, 9, 1), (9, 9, 0), (-5, 8, 1)):
        rows = await store.fetch("open_letters", store.topic, [0, 1], [begin, 0], [end, 100])
        assert [row["partition"] for row in rows] == [0] * found


async def test_after_an_error_the_transaction_fails_and_is_rolled_back(store: Store) -> None:
    with pytest.raises(Unavailable):  # noqa: PT012  # the transaction's end is a part of it
        async with store.transaction():
            tx = Transaction(store)
            await tx.move_offsets([slice_of(0, 0, 3)])
            await tx.insert_runs({"r1": 10})
            with pytest.raises(DataRefused):
                await tx.insert_events([(event_with_data('"\\u0000"'), 0)])
            await tx.started_runs(["r1"])

    assert (await positions(store))[0][1] == 0
    with pytest.raises(DataRefused, match="1 of 1 rows"):  # the run does not exist
        await heads(store, "r1")


async def test_another_connection_sees_only_committed_rows(store: Store, other: Store) -> None:
    async with store.transaction():
        await Transaction(store).move_offsets([slice_of(0, 0, 3)])
        assert (await positions(store))[0][1] == 3
        assert (await positions(other))[0][1] == 0
    assert (await positions(other))[0][1] == 3


async def test_a_terminated_connection_rolls_its_transaction_back(store: Store, other: Store) -> None:
    with pytest.raises(ConnectionLost):  # noqa: PT012  # the transaction's end is a part of it
        async with store.transaction():
            await Transaction(store).move_offsets([slice_of(0, 0, 3)])
            store.terminate()
    assert not store.usable
    async with other.transaction():
        await Transaction(other).move_offsets([slice_of(0, 0, 9)])
