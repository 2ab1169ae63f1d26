"""Single records that stretch what a record may be: the largest, the strangest times, the oddest names of headers."""

from __future__ import annotations

import aiokafka.producer.message_accumulator
import aiokafka.producer.producer
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from tests.checker.classify import MAX_EVENT_BYTES
from tests.checker.strict_json import MAX_VALUES
from tests.support.corpus import Message
from tests.support.corpus.specimen import changed, holding
from tests.support.foreign_producer import consume_to_the_end, foreign_producer, key_of_partition, publish
from tests.support.road import Road
from tests.support.servers import MakeTopic, Servers

MADE_UP_TIMES = {
    "message.timestamp.type": "CreateTime",
    "message.timestamp.after.max.ms": str(2**63 - 1),
    "message.timestamp.before.max.ms": str(2**63 - 1),
    "retention.ms": "-1",  # else the broker deletes what says that it is old
}


def _values_at_the_limits() -> dict[str, bytes]:
    """Exactly the most bytes and one byte more, exactly the most JSON values and one more; by event id."""
    frame = len(holding('""')("most-bytes"))
    fill = "x" * (MAX_EVENT_BYTES - frame)
    values = MAX_VALUES - len(("the object", "type", "id", "parent_event_id", "timestamp", "tool", "the array"))
    return {
        "most-bytes": holding(f'"{fill}"')("most-bytes"),
        "over-bytes": holding(f'"{fill}x"')("over-bytes"),
        "over-bytes, and no JSON": b"[" * (MAX_EVENT_BYTES + 1),
        "most-values": holding("[" + ",".join(["1"] * values) + "]")("most-values"),
        "over-values": holding("[" + ",".join(["1"] * (values + 1)) + "]")("over-values"),
        "far over": holding("[" + "[]," * 5_000_000 + "[]]")("far over"),
    }


async def test_values_at_the_limits_of_size_are_stored_and_above_them_refused(road: Road) -> None:
    # Given values at the limits and above them, each before an ordinary neighbour,
    values = _values_at_the_limits()
    assert [len(values["most-bytes"]), len(values["over-bytes"])] == [MAX_EVENT_BYTES, MAX_EVENT_BYTES + 1]
    neighbours = [f"neighbour of {label}" for label in values]
    road.publish(
        message
        for value, neighbour in zip(values.values(), neighbours, strict=True)
        for message in (Message(b"run", value), Message(b"run", changed()(neighbour)))
    )
    # when the service has read them,
    await road.consume()
    # then the ones at the limits and all neighbours are stored, and the others are too large.
    await road.assert_in_order()
    tables = await road.tables()
    assert {row.id for row in tables.events} == {"most-bytes", "most-values", *neighbours}
    assert [row.reason for row in tables.dead_letters] == ["too_large"] * 4


async def test_times_that_a_producer_makes_up_are_kept_where_a_column_can_hold_them(
    servers: Servers, make_topic: MakeTopic, database: str
) -> None:
    # Given a topic that takes its producers' times, which jump back and forth and beyond all calendars,
    road = Road(servers, await make_topic(configs=MADE_UP_TIMES), database)
    producer = foreign_producer(servers.bootstrap_servers)
    unholdable = 253_402_300_800_000, 9_224_318_016_000_000, 2**63 - 1, -(2**62)
    for number, time in enumerate((1_700_000_000_000, 5, 253_402_300_799_999, *unholdable, -5, -(2**40), 1)):
        child = changed("run_started", parent_run_id="parent")(f"child-{number}")
        event = changed()(f"event-{number}")
        messages = Message(b"run", event), Message(b"child-%d" % number, child), Message(b"run", b"")
        publish(producer, road.topic, messages, timestamp=time)
    # when the service has read them,
    await road.consume()
    # then only what is beyond the year 9999, or before the year 1, is refused, and a run's times are those of its
    # events in order.
    await road.assert_in_order()
    refused = [row for row in (await road.tables()).dead_letters if row.reason == "store_rejected"]
    assert len(refused) == 2 * len(unholdable)


async def test_a_name_of_a_header_that_jsonb_cannot_hold_costs_no_letter(
    servers: Servers, topic: str, database: str
) -> None:
    # Given a refused record with a NUL in the name of a header; librdkafka would cut it there, aiokafka doesn't,
    road = Road(servers, topic, database)
    async with AIOKafkaProducer(bootstrap_servers=servers.bootstrap_servers) as producer:
        await producer.send_and_wait(topic, b"{}", b"run", headers=[("a\0b", b"1"), ("", None)])
        await producer.send_and_wait(topic, changed()("event"), b"run", headers=[("a\0b", b"1")])
    # when the service has read it,
    await road.consume()
    # then its letter is there, and so is the event behind it.
    tables = await road.tables()
    assert [(row.value, row.headers) for row in tables.dead_letters] == [(b"{}", '[["a\ufffdb", "MQ=="], ["", null]]')]
    assert [row.id for row in tables.events] == ["event"]


async def test_a_record_that_the_client_cannot_decode_halts_its_partition_and_says_so(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a record with a header whose name is no UTF-8, as clients in C and Go can send it, and good ones around it,
    halted, other = (key_of_partition(number, partitions=3) for number in (0, 1))
    road.publish([Message(halted, changed()("before")), Message(other, changed()("elsewhere"))])
    for module in (aiokafka.producer.message_accumulator, aiokafka.producer.producer):
        # The compiled builder encodes names by itself; the one in Python asks them.
        monkeypatch.setattr(module, "DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy)
    async with AIOKafkaProducer(bootstrap_servers=road.servers.bootstrap_servers) as producer:
        await producer.send_and_wait(road.topic, changed()("unreadable"), halted, headers=[(_NoUtf8("h"), b"1")])
    road.publish([Message(halted, changed()("behind")), Message(other, changed()("elsewhere too"))])
    # when the service reads to the end,
    finished = await consume_to_the_end(road.servers.bootstrap_servers, road.topic, road.database)
    # then it asks for an operator and names the record; what is before it and elsewhere is stored, nothing behind it.
    assert finished.exit_code == 3, finished.output
    assert "partition 0: the record at offset 1 cannot be read" in finished.output
    assert {row.id for row in (await road.tables()).events} == {"before", "elsewhere", "elsewhere too"}


class _NoUtf8(str):
    """A name that is sent as bytes which no UTF-8 decoder takes."""

    __slots__ = ()

    def encode(self, encoding: str = "", errors: str = "") -> bytes:
        return b"\xff\xfe"
