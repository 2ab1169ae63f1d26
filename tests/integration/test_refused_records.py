"""Records that are no event: each becomes one letter with its reason and exact bytes, and harms no neighbour."""

import json
from base64 import b64encode

import pytest

from tests.integration.conftest import MakePipeline
from tests.support.messages import Message, event, holding, said
from tests.support.pipeline import Pipeline

GOOD = event("good")
DEEP = 100_000
REFUSED = [
    ("missing_key", Message(None, GOOD)),
    ("missing_key", Message(b"", b"not JSON either")),
    ("invalid_key", Message(b"r" * 300, GOOD)),
    ("invalid_key", Message(b"a\0b", GOOD)),
    ("invalid_key", Message(b"\xff\xfe", GOOD)),
    ("not_json", Message(b"run", None)),
    ("not_json", Message(b"run", b"")),
    ("not_json", Message(b"run", b"{")),
    ("not_json", Message(b"run", b"\xef\xbb\xbf" + GOOD)),
    ("not_json", Message(b"run", holding("id", b'"\xff"'))),
    ("not_json", Message(b"run", holding("id", b"NaN"))),
    ("not_json", Message(b"run", holding("id", b"[" * DEEP + b"]" * DEEP))),
    ("invalid_event", Message(b"run", b"[]")),
    ("invalid_event", Message(b"run", event("id", tool=None))),
    ("invalid_event", Message(b"run", event("i" * 256))),
    ("store_rejected", Message(b"run", holding("id", b"1e131072"))),
    ("store_rejected", Message(b"run", holding("id", b"[1e-16384]"))),
]


@pytest.mark.parametrize("batch_records", ["4000", "1"])
async def test_every_kind_of_bad_record_becomes_a_letter_between_its_neighbours(
    pipeline: Pipeline, batch_records: str
) -> None:
    # Given all kinds of bad records, each behind a good one,
    messages = [
        message
        for number, (_, bad) in enumerate(REFUSED)
        for message in (*said("run", f"good-{number}"), bad._replace(headers=[("trace", b"\x00\xff"), ("", b"")]))
    ]
    await pipeline.publish(*messages)
    # when they are consumed,
    await pipeline.consume(AGENT_RUNS_BATCH_RECORDS=batch_records)
    # then each has its letter, with the reason and everything that the record was,
    query = "SELECT reason, key, value, headers FROM dead_letters ORDER BY record_offset"
    headers = [["trace", b64encode(b"\x00\xff").decode()], ["", ""]]
    assert [(reason, key, value, json.loads(names)) for reason, key, value, names in await pipeline.rows(query)] == [
        (reason, bad.key, bad.value, headers) for reason, bad in REFUSED
    ]
    # and every good one is an event.
    assert await pipeline.stored("run") == [f"good-{number}" for number in range(len(REFUSED))]
    await pipeline.assert_in_order()


@pytest.mark.parametrize(
    ("reason", "bad"),
    [("invalid_event", b"{}"), ("store_rejected", holding("bad", b"1e131072"))],
    ids=["refused by us", "refused by PostgreSQL"],
)
async def test_one_bad_record_among_500_good_ones_makes_exactly_one_letter(
    pipeline: Pipeline, reason: str, bad: bytes
) -> None:
    # Given a batch of 501 records of which one is bad,
    good = said("run", *(f"event-{number}" for number in range(500)))
    await pipeline.publish(*good[:123], Message(b"run", bad), *good[123:])
    # when it is consumed,
    await pipeline.consume()
    # then the other 500 are events, in their order and without a gap.
    assert await pipeline.letters() == [(123, reason)]
    assert await pipeline.rows("SELECT event_count FROM agent_runs") == [(500,)]
    await pipeline.assert_in_order()


async def test_a_batch_of_only_bad_records_is_passed(pipeline: Pipeline) -> None:
    # Given nothing but records that PostgreSQL refuses, and ones that never get there,
    await pipeline.publish(
        *(Message(b"run", holding(f"id-{number}", b"1e131072")) for number in range(10)),
        *(Message(b"run", b"") for _ in range(10)),
    )
    # when they are consumed,
    await pipeline.consume()
    # then all are letters, and no run came of them.
    assert [reason for _, reason in await pipeline.letters()] == ["store_rejected"] * 10 + ["not_json"] * 10
    assert await pipeline.rows("SELECT id FROM agent_runs") == []
    await pipeline.assert_in_order()


async def test_a_record_whose_effect_cannot_be_stored_is_found_by_halving(pipeline: Pipeline) -> None:
    # Given a run that has dropped as many events as a column can count,
    await pipeline.publish(*said("run", "first"))
    await pipeline.consume()
    await pipeline.rows("UPDATE agent_runs SET dropped_events = 9223372036854775807")
    # and a batch in which no message is wrong by itself, but one drops one more,
    dropped = Message(b"run", event("too-much", "events_dropped"))
    await pipeline.publish(*said("run", "a", "b", "c"), dropped, *said("run", "d"))
    # when it is consumed,
    await pipeline.consume()
    # then exactly that one is set aside.
    assert await pipeline.letters() == [(4, "store_rejected")]
    assert await pipeline.stored("run") == ["first", "a", "b", "c", "d"]


async def test_times_that_no_column_can_hold_are_refused_and_kept_without_a_time(make_pipeline: MakePipeline) -> None:
    # Given a topic that takes its producers' times,
    pipeline = await make_pipeline(
        message_timestamp_type="CreateTime", message_timestamp_after_max_ms=str(2**63 - 1), retention_ms="-1"
    )
    # with good events from before 1970, from long before and from long after any calendar,
    times = {"now": 1_767_225_600_123, "early": -86_400_000, "never": 2**62, "late": 253_402_300_799_999}
    await pipeline.publish(*(Message(b"run", event(event_id), timestamp_ms=at) for event_id, at in times.items()))
    # when they are consumed,
    await pipeline.consume()
    # then PostgreSQL's times are the records' to the millisecond, and what is beyond them is a letter.
    milliseconds = "SELECT id, (extract(epoch FROM created_at) * 1000)::bigint FROM run_events ORDER BY event_seq"
    stored = {event_id: at for event_id, at in times.items() if event_id != "never"}
    assert dict(await pipeline.rows(milliseconds)) == stored
    assert await pipeline.rows("SELECT reason, record_timestamp FROM dead_letters") == [("store_rejected", None)]
    await pipeline.assert_in_order()


async def test_the_offsets_account_for_every_record(make_pipeline: MakePipeline) -> None:
    # Given events, bad records and repeats in two partitions, a letter that is said twice among them,
    pipeline = await make_pipeline(partitions=2)
    for partition, run_id in enumerate(("one", "two")):
        bad = Message(run_id.encode(), b"", partition)
        await pipeline.publish(*said(run_id, "a", "b", "a", "c", "c", partition=partition), bad, bad)
    # when they are consumed in small batches,
    await pipeline.consume(AGENT_RUNS_BATCH_RECORDS="3")
    # then in each partition the records are its events, its letters and its repeats.
    sums = """
        SELECT o.next_offset - o.first_offset, e.count, l.count, o.repeats
          FROM consumer_offsets AS o,
               LATERAL (SELECT count(*) FROM run_events WHERE source_partition = o.partition) AS e,
               LATERAL (SELECT count(*) FROM dead_letters WHERE partition = o.partition) AS l
    """
    assert await pipeline.rows(sums) == [(7, 3, 2, 2), (7, 3, 2, 2)]
    await pipeline.assert_in_order()
