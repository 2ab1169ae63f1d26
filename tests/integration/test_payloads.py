"""Legal messages that are hard to store: what JSONB cannot hold, large ones, compressed ones."""

import json

from tests.integration.conftest import MakePipeline
from tests.support.messages import Message, event, holding, said
from tests.support.pipeline import Pipeline

MIB = 1024 * 1024
ROOMY = {"max_message_bytes": str(64 * MIB)}

# How `data` is spelled in the message, what JSONB says of it, and whether the exact message must be kept beside it.
TEXTS = [
    (rb'"a\u0000b"', "a\ufffdb", True),
    (rb'"a\ud83d"', "a\ufffd", True),
    (rb'"\ude00\ud83d"', "\ufffd\ufffd", True),
    (rb'{"\u0000": "\uDEAD"}', {"\ufffd": "\ufffd"}, True),
    (rb'"\ud83d\ude00"', "\U0001f600", False),
    (rb'"a\\u0000b"', "a\\u0000b", False),
    (rb'"\\\u0000"', "\\\ufffd", True),
    (rb'"C:\\ud800"', "C:\\ud800", False),
    ('"é\ufffd\U0001f600"'.encode(), "é\ufffd\U0001f600", False),
]


async def test_text_that_jsonb_cannot_hold_is_kept_exactly_beside_the_event(pipeline: Pipeline) -> None:
    # Given events with escaped NULs and lone surrogates, and some that only look like it,
    values = [holding(f"event-{number}", data) for number, (data, _, _) in enumerate(TEXTS)]
    await pipeline.publish(*(Message(b"run", value) for value in values))
    # when they are consumed,
    await pipeline.consume()
    # then each is an event, U+FFFD stands where JSONB has no character, and only there `raw` has the message.
    rows = await pipeline.rows("SELECT (event_data -> 'data')::text, raw FROM run_events ORDER BY event_seq")
    stored = [(json.loads(data), raw) for data, raw in rows]
    assert stored == [
        (should, value if exact else None) for value, (_, should, exact) in zip(values, TEXTS, strict=True)
    ]
    await pipeline.assert_in_order()


async def test_a_message_of_10_mib_is_stored_and_one_above_the_limit_is_set_aside(make_pipeline: MakePipeline) -> None:
    # Given a topic that takes more than the service does, with a message of 10 MiB, one of 17, and neighbours,
    pipeline = await make_pipeline(**ROOMY)
    large, too_large = event("large", data="x" * 10 * MIB), event("too-large", data="x" * 17 * MIB)
    await pipeline.publish(
        *said("run", "before"), Message(b"run", large), Message(b"run", too_large), *said("run", "behind")
    )
    # when they are consumed,
    await pipeline.consume()
    # then nothing was cut short, and what is too large is in its letter, byte for byte.
    assert await pipeline.stored("run") == ["before", "large", "behind"]
    sizes = await pipeline.rows("SELECT length(event_data ->> 'data') FROM run_events WHERE id = 'large'")
    assert sizes == [(10 * MIB,)]
    assert await pipeline.rows("SELECT reason, value FROM dead_letters") == [("too_large", too_large)]


async def test_more_than_a_million_values_are_too_many_for_one_message(make_pipeline: MakePipeline) -> None:
    # Given a message that is small enough in bytes, but holds more values than the database has memory for,
    pipeline = await make_pipeline(**ROOMY)
    await pipeline.publish(Message(b"run", holding("many", b"[" + b"[]," * 1_000_000 + b"[]]")), *said("run", "behind"))
    # when it is consumed,
    await pipeline.consume()
    # then it is set aside as too large, and its neighbour is stored.
    assert await pipeline.letters() == [(0, "too_large")]
    assert await pipeline.stored("run") == ["behind"]


async def test_batches_of_every_codec_are_read(pipeline: Pipeline) -> None:
    # Given producers that compress each in its own way,
    codecs = ("gzip", "snappy", "lz4", "zstd")
    for codec in codecs:
        await pipeline.publish(*said("run", codec, f"{codec} too"), compression_type=codec)
    # when their batches are consumed,
    await pipeline.consume()
    # then all of it is there: one codec that is missing would stop the partition for ever.
    assert await pipeline.stored("run") == [event_id for codec in codecs for event_id in (codec, f"{codec} too")]


async def test_an_event_of_an_unknown_type_is_stored_and_changes_no_status(pipeline: Pipeline) -> None:
    # Given a run that waits, and events of types that this version does not know, one of them nearly,
    unknown = event("unknown", "note_taken", whatever={"a": [1, None]})
    nearly = event("nearly", "Input")
    await pipeline.publish(*(Message(b"run", value) for value in (event("waiting", "run_waiting"), unknown, nearly)))
    # when they are consumed,
    await pipeline.consume()
    # then they are stored as they came, and the run still waits.
    rows = await pipeline.rows("SELECT event_type, event_data -> 'whatever' FROM run_events WHERE event_seq > 0")
    assert rows == [("note_taken", '{"a": [1, null]}'), ("Input", None)]
    assert await pipeline.rows("SELECT status, event_count FROM agent_runs") == [("waiting", 3)]
