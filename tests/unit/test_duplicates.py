"""New events, repeats and conflicts."""

import json
from collections.abc import Sequence
from typing import cast

import pytest

from agent_runs.codec.records import Reason
from consumer.ingest.duplicates import deduplicate
from consumer.ingest.transaction import Transaction
from consumer.model.records import Event
from consumer.postgres.store import Store
from tests.support.builders import event


class FakeTransaction(Transaction):
    """The tables as a dictionary. Values are equal as JSONB if they are equal as Python objects."""

    def __init__(self, *stored: Event) -> None:
        self.stored = {event.key: event for event in stored}
        self.queries: list[str] = []

    async def look_up(self, events: Sequence[Event]) -> dict[int, bool]:
        self.queries.append("look_up")
        known = {index: self.stored.get(event.key) for index, event in enumerate(events)}
        return {index: same(events[index], stored) for index, stored in known.items() if stored is not None}

    async def same_values(self, pairs: Sequence[tuple[Event, Event]]) -> list[Event]:
        self.queries.append("same_values")
        return [one for one, other in pairs if same(one, other)]


def same(one: Event, other: Event) -> bool:
    if one.raw is None and other.raw is None:
        return bool(json.loads(one.value) == json.loads(other.value))
    return one.raw == other.raw


def in_other_bytes(original: Event, offset: int) -> Event:
    """The same JSON in other bytes."""
    copy = event(offset=offset, id=original.envelope.id)
    copy.value = original.value.replace(b": ", b":  ")
    assert copy.value != original.value
    return copy


def raw(text: str, *, id: str, offset: int) -> Event:
    """An event that JSONB cannot store, made storable: `text` is its raw message, its value is the same for all."""
    made = event(id=id, offset=offset, data="")
    made.raw = text.encode()
    return made


async def test_events_with_unknown_ids_are_new() -> None:
    events = [event(id="a"), event(id="b", offset=1), event(id="a", run="other", offset=2)]
    tx = FakeTransaction()

    assert await deduplicate(events, tx) == (events, [], [])
    assert tx.queries == ["look_up"]


async def test_no_query_is_made_for_no_events() -> None:
    class NoStore:
        topic = "t"

    tx = Transaction(cast("Store", NoStore()))  # a query would fail

    assert await deduplicate([], tx) == ([], [], [])


@pytest.mark.parametrize("stored", [True, False], ids=["stored already", "in the same batch"])
async def test_the_same_content_under_the_same_id_is_a_repeat(stored: bool) -> None:
    first = event(id="a")
    again, other_bytes = event(id="a", offset=1), in_other_bytes(first, 2)
    found = await deduplicate(
        [*([] if stored else [first]), again, other_bytes], FakeTransaction(*([first] if stored else []))
    )

    assert found == ([] if stored else [first], [again, other_bytes], [])


@pytest.mark.parametrize("stored", [True, False], ids=["stored already", "in the same batch"])
async def test_other_content_under_the_same_id_is_a_conflict(stored: bool) -> None:
    first, other = event(id="a", data=1), event(id="a", data=2, offset=1)
    found = await deduplicate([*([] if stored else [first]), other], FakeTransaction(*([first] if stored else [])))

    assert found.new == ([] if stored else [first])
    assert found.repeats == []
    assert [(each.record, each.reason) for each in found.rejections] == [(other.record, Reason.EVENT_ID_CONFLICT)]
    assert "'a'" in found.rejections[0].detail
    assert "'r1'" in found.rejections[0].detail


@pytest.mark.parametrize("stored", [True, False], ids=["stored already", "in the same batch"])
async def test_messages_that_jsonb_cannot_store_are_compared_byte_by_byte(stored: bool) -> None:
    first, again = raw("x", id="a", offset=0), raw("x", id="a", offset=1)
    other, plain = raw("y", id="a", offset=2), event(id="a", offset=3, data="")
    found = await deduplicate(
        [*([] if stored else [first]), again, other, plain], FakeTransaction(*([first] if stored else []))
    )

    assert found.repeats == [again]
    assert [each.record for each in found.rejections] == [other.record, plain.record]


async def test_the_first_event_with_an_id_is_the_new_one_and_the_order_of_the_log_is_kept() -> None:
    kept = event(id="kept", data=1)
    a, b, a_again, kept_again, b_other, c = (
        event(id="a", offset=1),
        event(id="b", offset=2),
        event(id="a", offset=3),
        event(id="kept", offset=4, data=1),
        event(id="b", offset=5, data="other"),
        event(id="c", offset=6),
    )
    found = await deduplicate([a, b, a_again, kept_again, b_other, c], FakeTransaction(kept))

    assert found.new == [a, b, c]
    assert found.repeats == [a_again, kept_again]
    assert [each.record for each in found.rejections] == [b_other.record]


async def test_repeats_are_identified_by_partition_and_offset() -> None:
    first = event(id="a", data=1)
    again, other = event(id="a", data=1, partition=1, offset=7), event(id="a", data=2, partition=2, offset=7)
    found = await deduplicate([first, again, other], FakeTransaction())

    assert found.repeats == [again]
    assert [each.record for each in found.rejections] == [other.record]


async def test_equal_bytes_need_no_query() -> None:
    tx = FakeTransaction()
    await deduplicate([event(id="a"), event(id="a", offset=1)], tx)

    assert tx.queries == ["look_up"]
