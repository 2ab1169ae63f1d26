"""The model of PostgreSQL and a real server give the same results and errors: events and their comparison."""

import asyncio

import pytest

from consumer.errors import (
    DataRefused,
    RepeatedIds,
)
from consumer.ingest.transaction import Transaction
from consumer.postgres.store import Store
from tests.simulation.postgres_calls import event_with_data, insert
from tests.support.builders import event, message

BLOCKED_FOR_S = 0.15

# --- events ---


async def test_a_repeated_event_id_in_a_run_stores_nothing(store: Store) -> None:
    await insert(store, event(id="a"), event(run="r2", id="a"))
    with pytest.raises(RepeatedIds):
        await insert(store, event(id="b"), event(id="a"), first=1)
    with pytest.raises(RepeatedIds):
        await insert(store, event(id="c"), event(id="c"), first=1)

    events = [event(id="a"), event(id="b"), event(run="r2", id="a"), event(run="r3", id="a")]
    assert await Transaction(store).look_up(events) == {0: True, 2: True}


async def test_a_repeated_event_seq_in_a_run_is_refused(store: Store) -> None:
    await insert(store, event(id="a"))
    with pytest.raises(DataRefused):
        await insert(store, event(id="b"))


async def test_inserting_an_event_waits_for_a_transaction_that_inserts_it_too(store: Store, other: Store) -> None:
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


async def test_data_that_jsonb_cannot_hold_is_refused(store: Store) -> None:
    for text in UNSTORABLE:
        refused = event_with_data(text)
        with pytest.raises(DataRefused):
            await insert(store, event(id="a"), refused)
        rows = await store.fetch("refused_values", [message(), refused.value])

        assert [row["position"] for row in rows] == [2], text


async def test_data_that_jsonb_can_hold_is_stored(store: Store) -> None:
    for number, text in enumerate(STORABLE):
        stored = event_with_data(text, number)
        await insert(store, stored, first=number)

        assert await store.fetch("refused_values", [stored.value]) == [], text
        assert await Transaction(store).look_up([stored]) == {0: True}, text


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
        first, second = event_with_data(one, number), event_with_data(another, number)
        await insert(store, first, first=number)

        assert await Transaction(store).same_values([(second, first)]) == ([second] if same else []), one
        assert await Transaction(store).look_up([second]) == {0: same}, one


async def test_messages_with_raw_are_compared_by_their_bytes(store: Store) -> None:
    first, second = event_with_data('"?"'), event_with_data('"?"')
    first.raw, second.raw = b"these", b"others"
    await insert(store, first)

    assert await Transaction(store).look_up([first, second, event_with_data('"?"')]) == {0: True, 1: False, 2: False}


async def test_look_up_recognises_a_message_stored_with_raw_before_it_is_made_storable(store: Store) -> None:
    stored = event_with_data('"\\u0000"')
    stored.make_storable()
    await insert(store, stored)

    assert await Transaction(store).look_up([event_with_data('"\\u0000"')]) == {0: True}


async def test_many_megabytes_are_looked_up_in_several_queries(store: Store) -> None:
    events = [event_with_data(f'"{"x" * 1_500_000}"', number) for number in range(5)]
    for number in (1, 4):
        await insert(store, events[number], first=number)

    assert await Transaction(store).look_up(events) == {1: True, 4: True}


async def test_data_that_jsonb_cannot_hold_is_refused_before_it_is_compared(store: Store) -> None:
    with_raw, without = event_with_data('"\\u0000"'), event_with_data("1", 1)
    with_raw.make_storable()
    await insert(store, with_raw)
    await insert(store, without, first=1)

    for stored in (0, 1):
        for text in UNSTORABLE:
            if (stored, text) != (0, '"\\u0000"'):
                with pytest.raises(DataRefused):
                    await Transaction(store).look_up([event_with_data(text, stored)])
