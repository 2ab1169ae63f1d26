"""Which events are new, which repeat what is there, and which claim another event's id."""

import json
from collections.abc import Sequence
from typing import cast

import pytest

from consumer.ingest.duplicates import deduplicate
from consumer.ingest.transaction import Transaction
from consumer.model.records import Event, Reason
from consumer.postgres.store import Store
from tests.support.builders import event


class FakeTransaction(Transaction):
    """The tables as a dictionary. Equal as JSONB is here: equal as Python reads it."""

    def __init__(self, *stored: Event) -> None:
        self.stored = {event.key: event for event in stored}
        self.asked: list[str] = []

    async def look_up(self, events: Sequence[Event]) -> dict[int, bool]:
        self.asked.append("look_up")
        known = {place: self.stored.get(event.key) for place, event in enumerate(events)}
        return {place: same(events[place], stored) for place, stored in known.items() if stored is not None}

    async def same_values(self, pairs: Sequence[tuple[Event, Event]]) -> list[Event]:
        self.asked.append("same_values")
        return [one for one, other in pairs if same(one, other)]


def same(one: Event, other: Event) -> bool:
    if one.raw is None and other.raw is None:
        return bool(json.loads(one.value) == json.loads(other.value))
    return one.raw == other.raw


def spelled_otherwise(original: Event, offset: int) -> Event:
    """The same JSON in other bytes."""
    copy = event(offset=offset, id=original.envelope.id)
    copy.value = original.value.replace(b": ", b":  ")
    assert copy.value != original.value
    return copy


def raw(text: str, *, id: str, offset: int) -> Event:
    """An event that JSONB cannot hold, made storable: what is put in the place of `text` is the same for all."""
    made = event(id=id, offset=offset, data="")
    made.raw = text.encode()
    return made


async def test_events_of_ids_that_nobody_has_are_new() -> None:
    events = [event(id="a"), event(id="b", offset=1), event(id="a", run="other", offset=2)]
    tx = FakeTransaction()

    assert await deduplicate(events, tx) == (events, [], [])
    assert tx.asked == ["look_up"]


async def test_nothing_is_asked_about_no_events() -> None:
    class Unasked:
        topic = "t"

    tx = Transaction(cast("Store", Unasked()))  # a question would fail: there is nothing to put it to

    assert await deduplicate([], tx) == ([], [], [])


@pytest.mark.parametrize("stored", [True, False], ids=["stored already", "in the same batch"])
async def test_the_same_content_again_is_a_repeat(stored: bool) -> None:
    first = event(id="a")
    again, spelled = event(id="a", offset=1), spelled_otherwise(first, 2)
    found = await deduplicate(
        [*([] if stored else [first]), again, spelled], FakeTransaction(*([first] if stored else []))
    )

    assert found == ([] if stored else [first], [again, spelled], [])


@pytest.mark.parametrize("stored", [True, False], ids=["stored already", "in the same batch"])
async def test_other_content_under_the_same_id_is_a_conflict(stored: bool) -> None:
    first, other = event(id="a", data=1), event(id="a", data=2, offset=1)
    found = await deduplicate([*([] if stored else [first]), other], FakeTransaction(*([first] if stored else [])))

    assert found.new == ([] if stored else [first])
    assert found.repeats == []
    assert [(letter.record, letter.reason) for letter in found.conflicts] == [(other.record, Reason.EVENT_ID_CONFLICT)]
    assert "'a'" in found.conflicts[0].detail
    assert "'r1'" in found.conflicts[0].detail


@pytest.mark.parametrize("stored", [True, False], ids=["stored already", "in the same batch"])
async def test_what_jsonb_cannot_hold_is_compared_byte_by_byte(stored: bool) -> None:
    first, again = raw("x", id="a", offset=0), raw("x", id="a", offset=1)
    other, plain = raw("y", id="a", offset=2), event(id="a", offset=3, data="")
    found = await deduplicate(
        [*([] if stored else [first]), again, other, plain], FakeTransaction(*([first] if stored else []))
    )

    assert found.repeats == [again]
    assert [letter.record for letter in found.conflicts] == [other.record, plain.record]


async def test_the_first_of_an_id_counts_and_the_order_of_the_log_is_kept() -> None:
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
    assert [letter.record for letter in found.conflicts] == [b_other.record]


async def test_repeats_are_told_apart_by_partition_and_offset() -> None:
    first = event(id="a", data=1)
    again, other = event(id="a", data=1, partition=1, offset=7), event(id="a", data=2, partition=2, offset=7)
    found = await deduplicate([first, again, other], FakeTransaction())

    assert found.repeats == [again]
    assert [letter.record for letter in found.conflicts] == [other.record]


async def test_equal_bytes_need_no_question() -> None:
    tx = FakeTransaction()
    await deduplicate([event(id="a"), event(id="a", offset=1)], tx)

    assert tx.asked == ["look_up"]
