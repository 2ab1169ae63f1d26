"""An event id that comes back: dropped and counted when it says the same, set aside when it doesn't."""

import pytest

from tests.support.messages import Message, event, holding
from tests.support.pipeline import Pipeline

# One batch, and a batch for each record: the verdict must not depend on where batches begin and end.
BATCHES = pytest.mark.parametrize("batch_records", ["4000", "1"])


@BATCHES
async def test_a_repeat_is_dropped_and_counted_however_it_is_spelled(pipeline: Pipeline, batch_records: str) -> None:
    # Given an event, the same bytes again, the same JSON in another spelling, and a new event behind them,
    first = event("first", data={"a": 1, "b": "é"})
    respelled = (
        b'{"data": {"b":"\\u00e9", "a": 1.0, "a": 1} , "tool":"message_from_user", "parent_event_id":null,'
        b'"timestamp":"2026-01-31T12:00:00.5+00:00", "id":"first", "type":"input"}'
    )
    messages = [Message(b"run", value) for value in (first, first, respelled, event("second"))]
    await pipeline.publish(*messages)
    # when they are consumed,
    await pipeline.consume(AGENT_RUNS_BATCH_RECORDS=batch_records)
    # then the repeats took no number and left nothing but their count.
    assert await pipeline.stored("run") == ["first", "second"]
    assert await pipeline.rows("SELECT repeats FROM consumer_offsets") == [(2,)]
    assert await pipeline.letters() == []
    await pipeline.assert_in_order()


@BATCHES
async def test_another_event_under_a_known_id_becomes_a_letter(pipeline: Pipeline, batch_records: str) -> None:
    # Given an event, another one that claims its id, a repeat of the first and one of the other,
    first, other = event("id", data="this"), event("id", data="that")
    await pipeline.publish(*(Message(b"run", value) for value in (first, other, first, other)))
    # when they are consumed,
    await pipeline.consume(AGENT_RUNS_BATCH_RECORDS=batch_records)
    # then the first one stands, and what contradicts it is kept apart, each time that it was said.
    assert await pipeline.rows("SELECT event_seq, event_data ->> 'data' FROM run_events") == [(0, "this")]
    assert await pipeline.letters() == [(1, "event_id_conflict"), (3, "event_id_conflict")]
    assert await pipeline.rows("SELECT value FROM dead_letters") == [(other,), (other,)]
    await pipeline.assert_in_order()


@BATCHES
async def test_messages_that_jsonb_cannot_hold_are_repeats_only_byte_for_byte(
    pipeline: Pipeline, batch_records: str
) -> None:
    # Given a message with an escaped NUL, its bytes again, and messages that look the same once JSONB has them,
    first = holding("id", rb'"a\u0000b"')
    same_as_jsonb = (holding("id", rb'"a\u0000b" '), holding("id", rb'"a\ud800b"'), holding("id", rb'"a\ufffdb"'))
    await pipeline.publish(*(Message(b"run", value) for value in (first, first, *same_as_jsonb)))
    # when they are consumed,
    await pipeline.consume(AGENT_RUNS_BATCH_RECORDS=batch_records)
    # then only the bytes tell a repeat from a conflict.
    assert await pipeline.rows("SELECT raw FROM run_events") == [(first,)]
    assert await pipeline.rows("SELECT repeats FROM consumer_offsets") == [(1,)]
    assert [reason for _, reason in await pipeline.letters()] == ["event_id_conflict"] * 3
    await pipeline.assert_in_order()


async def test_an_id_is_taken_in_its_own_run_only(pipeline: Pipeline) -> None:
    # Given two runs that use the same id for different events,
    await pipeline.publish(Message(b"one", event("id", data=1)), Message(b"two", event("id", data=2)))
    # when they are consumed,
    await pipeline.consume()
    # then both are stored: no agent can block another one's ids.
    assert await pipeline.stored("one") == await pipeline.stored("two") == ["id"]
    assert await pipeline.letters() == []
