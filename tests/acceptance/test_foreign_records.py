"""Single records at the limits: the largest values, the most extreme timestamps, the most unusual header names."""

from __future__ import annotations

from dataclasses import replace

import aiokafka.producer.message_accumulator
import aiokafka.producer.producer
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from tests.checker.classify import MAX_EVENT_BYTES
from tests.checker.strict_json import MAX_VALUES
from tests.support.corpus.sample import with_fields, with_literal
from tests.support.foreign_producer import key_of_partition
from tests.support.messages import Message
from tests.support.scene import PARTITIONS, Scene
from tests.support.servers import MakeTopic

CREATE_TIME = {
    "message.timestamp.type": "CreateTime",
    "message.timestamp.after.max.ms": str(2**63 - 1),
    "message.timestamp.before.max.ms": str(2**63 - 1),
    "retention.ms": "-1",  # otherwise the broker deletes records with old timestamps
}


def _values_at_the_limits() -> dict[str, bytes]:
    """Values with exactly the most bytes and one more, exactly the most JSON values and one more; by event id."""
    frame = len(with_literal('""')("most-bytes"))
    fill = "x" * (MAX_EVENT_BYTES - frame)
    values = MAX_VALUES - len(("the object", "type", "id", "parent_event_id", "timestamp", "tool", "the array"))
    return {
        "most-bytes": with_literal(f'"{fill}"')("most-bytes"),
        "over-bytes": with_literal(f'"{fill}x"')("over-bytes"),
        "over-bytes, and no JSON": b"[" * (MAX_EVENT_BYTES + 1),
        "most-values": with_literal("[" + ",".join(["1"] * values) + "]")("most-values"),
        "over-values": with_literal("[" + ",".join(["1"] * (values + 1)) + "]")("over-values"),
        "far over": with_literal("[" + "[]," * 5_000_000 + "[]]")("far over"),
    }


async def test_values_at_the_limits_of_size_are_stored_and_above_them_rejected(scene: Scene) -> None:
    # Given values at the limits and above them, each before an ordinary event,
    values = _values_at_the_limits()
    assert [len(values["most-bytes"]), len(values["over-bytes"])] == [MAX_EVENT_BYTES, MAX_EVENT_BYTES + 1]
    neighbours = [f"neighbour of {label}" for label in values]
    await scene.publish(
        *(
            Message(b"run", published)
            for value, neighbour in zip(values.values(), neighbours, strict=True)
            for published in (value, with_fields()(neighbour))
        )
    )
    # when the service has read them,
    await scene.run_until_end()
    # then those at the limits and all neighbours are stored, and the others are too large.
    await scene.assert_consistent()
    tables = await scene.tables()
    assert {row.id for row in tables.events} == {"most-bytes", "most-values", *neighbours}
    assert [row.reason for row in tables.dead_letters] == ["too_large"] * 4


async def test_a_producers_timestamps_are_stored_where_a_column_can_hold_them(
    scene: Scene, make_topic: MakeTopic
) -> None:
    # Given a topic with its producers' timestamps, which are in no order and partly beyond every calendar,
    scene = replace(scene, topic=await make_topic(configs=CREATE_TIME))
    out_of_range = 253_402_300_800_000, 9_224_318_016_000_000, 2**63 - 1, -(2**62)
    in_range = 1_700_000_000_123, 5, 253_402_300_799_999, -5, -(2**40), -86_400_000, 1
    for number, time in enumerate((*in_range[:3], *out_of_range, *in_range[3:])):
        child = with_fields("run_started", parent_run_id="parent")(f"child-{number}")
        values = {b"run": with_fields()(f"event-{number}"), b"child-%d" % number: child}
        await scene.publish(
            *(Message(key, value, timestamp_ms=time) for key, value in values.items()),
            Message(b"run", b"", timestamp_ms=time),
        )
    # when the service has read them,
    await scene.run_until_end()
    # then only those beyond the year 9999 or before the year 1 are rejected, and the others are stored to the
    # millisecond.
    await scene.assert_consistent()
    query = (
        "SELECT (extract(epoch FROM created_at) * 1000)::bigint FROM run_events WHERE run_id = 'run' ORDER BY event_seq"
    )
    assert await scene.rows(query) == [(time,) for time in in_range]
    refused = [row for row in (await scene.tables()).dead_letters if row.reason == "store_rejected"]
    assert len(refused) == 2 * len(out_of_range)


async def test_a_header_name_that_jsonb_cannot_hold_does_not_prevent_a_dead_letter(scene: Scene) -> None:
    # Given a rejected record with a NUL in a header's name (librdkafka would cut the name there, aiokafka does not),
    async with AIOKafkaProducer(bootstrap_servers=scene.servers.bootstrap_servers) as producer:
        await producer.send_and_wait(scene.topic, b"{}", b"run", headers=[("a\0b", b"1"), ("", None)])
        await producer.send_and_wait(scene.topic, with_fields()("event"), b"run", headers=[("a\0b", b"1")])
    # when the service has read it,
    await scene.run_until_end()
    # then its dead letter is stored, and so is the event behind it.
    tables = await scene.tables()
    assert [(row.value, row.headers) for row in tables.dead_letters] == [(b"{}", '[["a\ufffdb", "MQ=="], ["", null]]')]
    assert [row.id for row in tables.events] == ["event"]


async def test_a_record_that_the_client_cannot_decode_halts_its_partition(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a record with a header name that is not UTF-8, as clients in C and Go can send it, among valid ones,
    halted, other = (key_of_partition(number, PARTITIONS) for number in (0, 1))
    await scene.publish(Message(halted, with_fields()("before")), Message(other, with_fields()("elsewhere")))
    for module in (aiokafka.producer.message_accumulator, aiokafka.producer.producer):
        # The compiled builder encodes the names itself; the one in Python calls their `encode`.
        monkeypatch.setattr(module, "DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy)
    async with AIOKafkaProducer(bootstrap_servers=scene.servers.bootstrap_servers) as producer:
        await producer.send_and_wait(scene.topic, with_fields()("unreadable"), halted, headers=[(_NotUtf8("h"), b"1")])
    await scene.publish(Message(halted, with_fields()("behind")), Message(other, with_fields()("elsewhere too")))
    # when the service reads to the end,
    finished = await scene.command("run", "--until-end")
    # then it needs an operator and names the record; what is before it and elsewhere is stored, nothing behind it.
    assert finished.exit_code == 3, finished.output
    assert "partition 0: the record at offset 1 cannot be read" in finished.output
    assert {row.id for row in (await scene.tables()).events} == {"before", "elsewhere", "elsewhere too"}


class _NotUtf8(str):
    """A header name whose encoded bytes are not UTF-8."""

    __slots__ = ()

    def encode(self, encoding: str = "", errors: str = "") -> bytes:
        return b"\xff\xfe"
