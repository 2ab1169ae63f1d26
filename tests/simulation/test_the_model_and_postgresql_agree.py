"""One suite for the model store and the real one: the same calls, the same answers, the same errors."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from random import Random

import pytest

from agent_runs.status import RunStatus
from consumer.config import DatabaseConfig
from consumer.errors import (
    Blocked,
    ConnectionLost,
    DataRefused,
    NewConnection,
    OperatorNeeded,
    RepeatedIds,
    StaleOffsets,
    Unavailable,
)
from consumer.ingest.sequencing import Head
from consumer.ingest.transaction import Transaction
from consumer.model.batches import Slice
from consumer.model.claims import Claim
from consumer.model.records import Event
from consumer.postgres.store import Store
from tests.simulation.store import ModelStore, Server
from tests.support.builders import event, judge, letter, message
from tests.support.servers import TemplateDatabase

TOPIC = "run-events"
LOCK_TIMEOUT_S = 0.4
BLOCKED_FOR_S = 0.15

Connect = Callable[[], Awaitable[Store]]


@pytest.fixture(params=["model", "postgresql"])
async def connect(request: pytest.FixtureRequest) -> AsyncIterator[Connect]:
    """Makes connections to an empty database, with the partitions 0 and 1 at their beginning."""
    opened: list[Store] = []
    drop: Callable[[], Awaitable[None]] | None = None
    if request.param == "model":
        server = Server(Random(0), lock_timeout_s=LOCK_TIMEOUT_S)
        open_one: Connect = lambda: ModelStore.open(server, TOPIC)  # noqa: E731
    else:
        template: TemplateDatabase = request.getfixturevalue("template_database")  # the model waits for no server
        name = await template.clone()
        config = DatabaseConfig(url=template.url_of(name), lock_timeout_s=LOCK_TIMEOUT_S)
        open_one = lambda: Store.connect(config, TOPIC)  # noqa: E731
        drop = lambda: template.drop(name)  # noqa: E731

    async def make() -> Store:
        opened.append(await open_one())
        return opened[-1]

    await (await make()).fetch("begin_partitions", TOPIC, [0, 1], [0, 5])
    yield make
    for store in opened:
        store.terminate()
    if drop is not None:
        await drop()


@pytest.fixture
async def store(connect: Connect) -> Store:
    return await connect()


@pytest.fixture
async def other(connect: Connect) -> Store:
    return await connect()


def piece(partition: int, begins: int, ends: int, last: tuple[int, int] | None = None) -> Slice:
    made = Slice.of(Claim(partition), begins, ends, [])
    made.last = last
    return made


async def positions(store: Store) -> dict[int, tuple[object, ...]]:
    return {number: row[1:-1] for number, row in (await store.offsets()).items()}


async def insert(store: Store, *events: Event, first: int = 0) -> None:
    """As one transaction that numbers the events of one run from `first` on."""
    async with store.transaction():
        tx = Transaction(store)
        await tx.insert_runs({event.run_id: event.record.timestamp for event in events})
        await tx.insert_events([(event, first + number) for number, event in enumerate(events)])


async def heads(store: Store, *run_ids: str) -> dict[str, Head]:
    async with store.transaction():
        return await Transaction(store).lock_runs(run_ids, {})


# --- the offsets ---


async def test_offsets_move_from_where_they_stand_only(store: Store) -> None:
    async with store.transaction():
        await Transaction(store).move_offsets([piece(0, 0, 3, (2, 1000)), piece(1, 5, 6)])
    with pytest.raises(StaleOffsets):
        async with store.transaction():
            await Transaction(store).move_offsets([piece(0, 3, 4), piece(1, 5, 7)])

    assert await positions(store) == {0: (0, 3, 2, 1000, 0), 1: (5, 6, None, None, 0)}


async def test_partitions_that_have_begun_stay_where_they_are(store: Store) -> None:
    await store.fetch("begin_partitions", TOPIC, [1, 2], [9, 9])

    assert await positions(store) == {0: (0, 0, None, None, 0), 1: (5, 5, None, None, 0), 2: (9, 9, None, None, 0)}


async def test_a_last_record_stays_known_when_a_batch_has_none(store: Store) -> None:
    async with store.transaction():
        await Transaction(store).move_offsets([piece(0, 0, 3, (2, 1000))])
    async with store.transaction():
        await Transaction(store).move_offsets([piece(0, 3, 8)])
        await Transaction(store).count_repeats({0: 4})
    await store.fetch("restore_fingerprint", TOPIC, 1, 4, 70)

    assert await positions(store) == {0: (0, 8, 2, 1000, 4), 1: (5, 5, 4, 70, 0)}


@pytest.mark.parametrize("commits", [1, 0])
async def test_who_waited_for_offsets_compares_them_again(store: Store, other: Store, commits: int) -> None:
    # Given a transaction that has moved the offsets and not ended,
    async def move() -> None:
        async with other.transaction():
            await Transaction(other).move_offsets([piece(0, 0, 9)])

    with nullcontext() if commits else pytest.raises(ZeroDivisionError):
        async with store.transaction():
            await Transaction(store).move_offsets([piece(0, 0, 3)])
            # when another one wants to move them from the same place,
            waiting = asyncio.create_task(move())
            await asyncio.sleep(BLOCKED_FOR_S)
            assert not waiting.done()
            assert 1 / commits
    # then it finds them moved, or where they were.
    if commits:
        with pytest.raises(StaleOffsets):
            await waiting
    else:
        await waiting
    assert (await positions(store))[0][1] == (3 if commits else 9)


async def test_a_lock_is_not_waited_for_for_ever(store: Store, other: Store) -> None:
    async with store.transaction():
        await Transaction(store).move_offsets([piece(0, 0, 3)])
        with pytest.raises(Blocked):
            async with other.transaction():
                await Transaction(other).move_offsets([piece(0, 0, 3)])
        async with other.transaction():
            await Transaction(other).move_offsets([piece(1, 5, 6)])


async def test_a_backend_that_holds_offsets_for_too_long_is_ended(store: Store, other: Store) -> None:
    with pytest.raises(ConnectionLost):  # noqa: PT012  # the transaction's end is a part of it
        async with store.transaction():
            await Transaction(store).move_offsets([piece(0, 0, 3)])
            await asyncio.sleep(BLOCKED_FOR_S)
            assert await other.terminate_stalled_owner([1], 0.1) == []
            assert await other.terminate_stalled_owner([0], 60.0) == []
            assert len(await other.terminate_stalled_owner([0], 0.1)) == 1
            await asyncio.sleep(0.05)
            await Transaction(store).count_repeats({0: 1})
    assert not store.usable
    async with other.transaction():
        await Transaction(other).move_offsets([piece(0, 0, 3)])


# --- runs ---


async def test_a_run_that_somebody_else_makes_is_waited_for_and_kept(store: Store, other: Store) -> None:
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


async def test_what_a_head_leaves_open_stays_as_it_is(store: Store) -> None:
    async with store.transaction():
        tx = Transaction(store)
        await tx.insert_runs({"r1": 10, "parent": 10})
        head = Head(run_id="r1", status=RunStatus.WAITING, event_count=2, updated_at=20, dropped_events=3)
        await tx.update_runs([head])
    async with store.transaction():
        tx = Transaction(store)
        assert await tx.started_runs(["r1", "parent"]) == set()
        head = Head(run_id="r1", event_count=3, updated_at=30, started_at=30, agent_id="a", parent_run_id="parent")
        await tx.update_runs([head])
        assert await tx.started_runs(["r1", "parent", "none"]) == {"r1"}

    async with store.transaction():
        await Transaction(store).update_runs([Head(run_id="r1", event_count=4, updated_at=40)])

    assert await heads(store, "r1", "none") == {"r1": Head(run_id="r1", event_count=4, started=True)}


async def test_a_parent_that_is_nowhere_is_refused(store: Store) -> None:
    with pytest.raises(NewConnection):  # noqa: PT012  # the transaction's end is a part of it
        async with store.transaction():
            tx = Transaction(store)
            await tx.insert_runs({"r1": 10})
            await tx.update_runs([Head(run_id="r1", event_count=1, updated_at=10, parent_run_id="nowhere")])


async def test_only_parents_without_events_are_locked_and_brought_to_an_earlier_time(
    store: Store, other: Store
) -> None:
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


# --- events ---


async def test_an_id_twice_in_a_run_is_a_repeat_and_stores_nothing(store: Store) -> None:
    await insert(store, event(id="a"), event(run="r2", id="a"))
    with pytest.raises(RepeatedIds):
        await insert(store, event(id="b"), event(id="a"), first=1)
    with pytest.raises(RepeatedIds):
        await insert(store, event(id="c"), event(id="c"), first=1)

    events = [event(id="a"), event(id="b"), event(run="r2", id="a"), event(run="r3", id="a")]
    assert await Transaction(store).look_up(events) == {0: True, 2: True}


async def test_a_number_twice_in_a_run_is_nobodys_to_mend(store: Store) -> None:
    await insert(store, event(id="a"))
    with pytest.raises(OperatorNeeded):
        await insert(store, event(id="b"))


async def test_an_event_that_somebody_else_inserts_is_waited_for(store: Store, other: Store) -> None:
    await insert(store, event(id="0"))
    async with store.transaction():
        await Transaction(store).insert_events([(event(id="a"), 1)])
        inserting = asyncio.create_task(insert(other, event(id="a"), first=2))
        await asyncio.sleep(BLOCKED_FOR_S)
        assert not inserting.done()
    with pytest.raises(RepeatedIds):
        await inserting


UNSTORABLE = ['"\\u0000"', '"\\ud800"', "1e131072", "1e-16384", '{"a": [1e131072]}']
STORABLE = ['"\\ud83d\\ude00"', '"\\\\u0000"', "1e131071", "1e-16383", "12345678901234567890123", "[1.50]"]


async def test_what_jsonb_cannot_hold_is_refused(store: Store) -> None:
    for text in UNSTORABLE:
        refused = judged(text)
        with pytest.raises(DataRefused):
            await insert(store, event(id="a"), refused)
        rows = await store.fetch("refused_values", [message(), refused.value])

        assert [row["position"] for row in rows] == [2], text


async def test_what_jsonb_can_hold_is_stored(store: Store) -> None:
    for number, text in enumerate(STORABLE):
        stored = judged(text, number)
        await insert(store, stored, first=number)

        assert await store.fetch("refused_values", [stored.value]) == [], text
        assert await Transaction(store).look_up([stored]) == {0: True}, text


def judged(data: str, number: int = 0) -> Event:
    """An event with this data."""
    value = message(id=f"x{number}", data=0).replace(b'"data": 0', b'"data": ' + data.encode())
    found = judge(value)
    assert isinstance(found, Event)
    return found


PAIRS = [
    ("1", "1.0", True),
    ("1", "10e-1", True),
    ("1", "true", False),
    ('"a"', '"\\u0061"', True),
    ('{"a":1,"b":2}', '{"b":2, "a":1}', True),
    ('{"a":1,"a":2}', '{"a":2}', True),
    ("[1,2]", "[2,1]", False),
    ("null", "{}", False),
    ("-0.0", "0", True),
]


async def test_messages_are_compared_as_jsonb(store: Store) -> None:
    for number, (one, another, same) in enumerate(PAIRS):
        first, second = judged(one, number), judged(another, number)
        await insert(store, first, first=number)

        assert await Transaction(store).same_values([(second, first)]) == ([second] if same else []), one
        assert await Transaction(store).look_up([second]) == {0: same}, one


async def test_messages_with_exact_bytes_are_compared_by_them(store: Store) -> None:
    first, second = judged('"?"'), judged('"?"')
    first.raw, second.raw = b"these", b"others"
    await insert(store, first)

    assert await Transaction(store).look_up([first, second, judged('"?"')]) == {0: True, 1: False, 2: False}


async def test_the_exact_bytes_of_a_stored_message_are_known_again_before_they_are_made_storable(store: Store) -> None:
    stored = judged('"\\u0000"')
    stored.make_storable()
    await insert(store, stored)

    assert await Transaction(store).look_up([judged('"\\u0000"')]) == {0: True}


async def test_many_megabytes_are_looked_up_in_several_questions(store: Store) -> None:
    events = [judged(f'"{"x" * 1_500_000}"', number) for number in range(5)]
    for number in (1, 4):
        await insert(store, events[number], first=number)

    assert await Transaction(store).look_up(events) == {1: True, 4: True}


async def test_what_jsonb_cannot_hold_is_refused_before_it_is_compared(store: Store) -> None:
    with_raw, without = judged('"\\u0000"'), judged("1", 1)
    with_raw.make_storable()
    await insert(store, with_raw)
    await insert(store, without, first=1)

    for stored in (0, 1):
        for text in UNSTORABLE:
            if (stored, text) != (0, '"\\u0000"'):
                with pytest.raises(DataRefused):
                    await Transaction(store).look_up([judged(text, stored)])


# --- letters, and what becomes of a transaction ---


async def test_a_letter_is_kept_once(store: Store) -> None:
    timeless = letter(offset=9)
    timeless.record.timestamp = 10**18
    letters = [letter(offset=8), timeless]
    for new in (letters, []):
        async with store.transaction():
            assert await Transaction(store).insert_dead_letters(letters) == new


async def test_letters_that_wait_are_found_in_their_stretch_of_the_log(store: Store) -> None:
    async with store.transaction():
        await Transaction(store).insert_dead_letters([letter(offset=offset) for offset in (7, 8, 9)])

    for begin, end, found in ((7, 10, 3), (8, 9, 1), (9, 9, 0), (-5, 8, 1)):
        rows = await store.fetch("open_letters", store.topic, [0, 1], [begin, 0], [end, 100])
        assert [row["partition"] for row in rows] == [0] * found


async def test_after_an_error_nothing_goes_on_and_nothing_is_kept(store: Store) -> None:
    with pytest.raises(Unavailable):  # noqa: PT012  # the transaction's end is a part of it
        async with store.transaction():
            tx = Transaction(store)
            await tx.move_offsets([piece(0, 0, 3)])
            await tx.insert_runs({"r1": 10})
            with pytest.raises(DataRefused):
                await tx.insert_events([(judged('"\\u0000"'), 0)])
            await tx.started_runs(["r1"])

    assert (await positions(store))[0][1] == 0
    assert await heads(store, "r1") == {}


async def test_who_looks_from_outside_sees_what_is_committed(store: Store, other: Store) -> None:
    async with store.transaction():
        await Transaction(store).move_offsets([piece(0, 0, 3)])
        assert (await positions(store))[0][1] == 3
        assert (await positions(other))[0][1] == 0
    assert (await positions(other))[0][1] == 3


async def test_a_connection_that_is_cut_takes_its_transaction_along(store: Store, other: Store) -> None:
    with pytest.raises(ConnectionLost):  # noqa: PT012  # the transaction's end is a part of it
        async with store.transaction():
            await Transaction(store).move_offsets([piece(0, 0, 3)])
            store.terminate()
    assert not store.usable
    async with other.transaction():
        await Transaction(other).move_offsets([piece(0, 0, 9)])
