"""One rejected record in a batch becomes one dead letter, and the rest of the batch is stored."""

import pytest

from tests.support.messages import Message, event, event_with_literal, events_of
from tests.support.scene import Scene


@pytest.mark.parametrize(
    ("reason", "bad"),
    [("invalid_event", b"{}"), ("store_rejected", event_with_literal("bad", b"1e131072"))],
    ids=["rejected by the service", "rejected by PostgreSQL"],
)
async def test_one_bad_record_among_500_good_ones_makes_exactly_one_letter(
    scene: Scene, reason: str, bad: bytes
) -> None:
    # Given a batch of 501 records of which one is bad,
    good = events_of("run", *(f"event-{number}" for number in range(500)))
    await scene.publish(*good[:123], Message(b"run", bad), *good[123:])
    # when it is consumed,
    await scene.consume()
    # then the other 500 are events, in their order and without a gap.
    assert await scene.dead_letters() == [(123, reason)]
    assert await scene.rows("SELECT event_count FROM agent_runs") == [(500,)]
    await scene.assert_consistent()


async def test_a_record_whose_effect_cannot_be_stored_is_rejected_alone(scene: Scene) -> None:
    # Given a run whose count of dropped events is the largest that its column can hold,
    await scene.publish(*events_of("run", "first"))
    await scene.consume()
    await scene.rows("UPDATE agent_runs SET dropped_events = 9223372036854775807")
    # and a batch in which every event is valid on its own, but one adds to that count,
    dropped = Message(b"run", event("too-much", "events_dropped"))
    await scene.publish(*events_of("run", "a", "b", "c"), dropped, *events_of("run", "d"))
    # when it is consumed,
    await scene.consume()
    # then exactly that one becomes a dead letter.
    assert await scene.dead_letters() == [(4, "store_rejected")]
    assert await scene.event_ids("run") == ["first", "a", "b", "c", "d"]


async def test_the_log_line_of_a_refused_record_names_its_dead_letter(scene: Scene) -> None:
    # Given an invalid record whose key has a control character,
    await scene.publish(*events_of("run", "a"), Message(b"run\x1b1", b"no JSON"))
    # when it is consumed,
    consumer = scene.start("--until-end", AGENT_RUNS_LOG_FORMAT="json")
    assert await consumer.wait_for_exit() == 0
    # then the line has its coordinates, its key, and the id with which commands select its dead letter.
    ((letter_id,),) = await scene.rows("SELECT id FROM dead_letters")
    (line,) = consumer.lines("dead_letter")
    assert (line["partition"], line["offset"], line["key"], line["id"]) == (0, 1, "run\x1b1", letter_id)
    # And when the topic is consumed again, then the existing dead letter is not reported as a new one.
    await scene.rows("UPDATE consumer_offsets SET next_offset = 0, last_offset = NULL, last_timestamp = NULL")
    consumer = scene.start("--until-end", AGENT_RUNS_LOG_FORMAT="json", AGENT_RUNS_GROUP=scene.until_end_group)
    assert await consumer.wait_for_exit() == 0
    assert consumer.lines("dead_letter") == []


async def test_a_dead_letter_keeps_the_first_10000_headers_and_the_number_of_the_others(scene: Scene) -> None:
    # Given an invalid record with more headers than a dead letter keeps,
    headers = [(f"h{number}", b"x") for number in range(10_003)]
    await scene.publish(Message(b"run", b"no JSON", headers=headers))
    # when it is consumed,
    await scene.consume()
    # then the dead letter has the first ones, and how many it omits.
    kept = "jsonb_array_length(headers), headers -> 0 ->> 0, headers -> -1 ->> 0, omitted_headers"
    assert await scene.rows(f"SELECT {kept} FROM dead_letters") == [(10_000, "h0", "h9999", 3)]
