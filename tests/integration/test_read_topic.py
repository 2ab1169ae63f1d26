"""`read_topic` reads a topic again: in order, each record once, to the end or on, from any position."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient

from agent_runs.errors import KafkaUnavailable
from agent_runs.replay import NoSuchPosition, Progress, TopicEvent, TopicReading, TopicRejection, read_topic
from tests.support.foreign_producer import foreign_producer, key_of_partition, publish, transactional_producer
from tests.support.messages import Message, event, events_of
from tests.support.servers import LOG_APPEND_TIME, MakeTopic, OwnServers, Servers, create_topic
from tests.support.servers.topics import delete_records_before, set_partitions
from tests.support.unreadable_records import publish_batch

FETCH = 1  # Kafka's number of the request


class Topic:
    """A topic of three partitions, and readings of it."""

    def __init__(self, servers: Servers, name: str) -> None:
        self.servers = servers
        self.name = name

    def publish(self, *messages: Message) -> None:
        publish(foreign_producer(self.servers.bootstrap_servers), self.name, list(messages))

    def read(self, **options: Any) -> TopicReading:
        environ = {"KAFKA_BOOTSTRAP_SERVERS": self.servers.bootstrap_servers}
        return read_topic(self.name, environ=environ, **options)


@pytest.fixture
async def topic(servers: Servers, make_topic: MakeTopic) -> Topic:
    return Topic(servers, await make_topic(3))


async def ids(reading: TopicReading) -> list[str]:
    return [item.event.id if isinstance(item, TopicEvent) else item.reason async for item in reading]


async def test_all_partitions_are_read_in_order_with_rejections_and_progress(topic: Topic) -> None:
    # Given events and refused records in three partitions,
    for partition in range(3):
        topic.publish(*events_of(f"run-{partition}", *"abc", partition=partition))
    topic.publish(Message(b"run-0", b"not json", 0), Message(None, event("d"), 1))
    # when the topic is read,
    progress: list[Progress] = []
    found = [item async for item in topic.read(on_progress=progress.append)]
    # then every record is there once, in the order of its partition,
    for partition in range(3):
        of_partition = [item for item in found if item.partition == partition]
        assert [item.offset for item in of_partition] == list(range(len(of_partition)))
    events = [item for item in found if isinstance(item, TopicEvent)]
    assert [item.event.id for item in events if item.run_id == "run-1"] == ["a", "b", "c"]
    # rejected as the service rejects it, and the progress ends at the end.
    rejected = {item.reason.value: item for item in found if isinstance(item, TopicRejection)}
    assert set(rejected) == {"not_json", "missing_key"}
    assert rejected["not_json"].value == b"not json"
    assert (progress[-1].positions, progress[-1].ends, progress[-1].records) == ({0: 4, 1: 4, 2: 3},) * 2 + (11,)


async def test_a_run_is_read_from_its_partition_alone(topic: Topic) -> None:
    topic.publish(*(Message(f"run-{number % 5}".encode(), event(str(number))) for number in range(50)))
    progress: list[Progress] = []
    reading = topic.read(run_id="run-3", on_progress=progress.append)

    assert await ids(reading) == [str(number) for number in range(3, 50, 5)]
    assert len(progress[-1].positions) == 1
    assert progress[-1].records < 50


async def test_one_run_costs_a_twelfth_of_the_bytes_of_twelve_partitions(
    servers: Servers, make_topic: MakeTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = Topic(servers, await make_topic(12))
    keys = [key_of_partition(number, 12) for number in range(12)]
    topic.publish(*(Message(keys[number % 12], event(str(number), data="x" * 1000)) for number in range(240)))
    fetched_bytes: list[int] = []
    send = AIOKafkaClient.send

    async def counting(self: AIOKafkaClient, *arguments: Any, **keywords: Any) -> Any:
        response = await send(self, *arguments, **keywords)
        if response.API_KEY == FETCH:
            fetched_bytes[-1] += sum(len(batches or b"") for _, found in response.topics for *_, batches in found)
        return response

    monkeypatch.setattr(AIOKafkaClient, "send", counting)
    fetched_bytes.append(0)
    assert len(await ids(topic.read())) == 240
    fetched_bytes.append(0)
    assert len(await ids(topic.read(run_id=keys[5].decode()))) == 20
    all_bytes, run_bytes = fetched_bytes
    assert 0 < run_bytes <= all_bytes / 11


async def test_a_run_is_also_found_in_partitions_that_its_key_does_not_belong_to(topic: Topic) -> None:
    topic.publish(*(Message(b"run", event(str(number)), number) for number in range(3)), *events_of("other", "x"))

    assert sorted(await ids(topic.read(run_id="run", partitions=range(3)))) == ["0", "1", "2"]


async def test_a_position_after_the_end_of_the_log_is_refused(topic: Topic) -> None:
    topic.publish(*events_of("run", "a"))

    with pytest.raises(NoSuchPosition, match="offset 2 of partition 0 is after the end of its log, 1"):
        await ids(topic.read(positions={0: 2}))
    with pytest.raises(NoSuchPosition, match="has no partition 7"):
        await ids(topic.read(positions={7: 0}))


async def test_stored_positions_continue_a_reading_that_was_broken_off(topic: Topic) -> None:
    for partition in range(3):
        topic.publish(*events_of(f"run-{partition}", *"abcdef", partition=partition))
    reading, first = topic.read(), []
    async for item in reading:
        first.append((item.partition, item.offset))
        if len(first) == 8:
            break
    rest = [(item.partition, item.offset) async for item in topic.read(positions=reading.positions)]

    assert sorted(first + rest) == [(partition, offset) for partition in range(3) for offset in range(6)]


def test_a_reading_works_with_for_and_from_a_time_on(topic: Topic) -> None:
    topic.publish(*events_of("run", "a", "b"))
    (first, second) = topic.read()
    since = datetime.fromtimestamp(second.timestamp_ms / 1000, UTC) if second.timestamp_ms else datetime.now(UTC)

    assert [item.offset for item in topic.read(since=since)][-1] == second.offset
    assert list(topic.read(since=datetime.now(UTC) + timedelta(days=1))) == []
    assert list(topic.read(partitions=[1, 2])) == []
    assert first.offset == 0


async def test_a_live_reading_continues_with_new_records(topic: Topic) -> None:
    topic.publish(*events_of("run", "a"))
    found: list[str] = []
    async with asyncio.timeout(60):
        async for item in topic.read(follow=True):
            assert isinstance(item, TopicEvent)
            found.append(item.event.id)
            if len(found) == 1:
                topic.publish(*events_of("run", "b", partition=1))
            else:
                break

    assert found == ["a", "b"]


async def test_a_truncated_log_is_read_from_where_it_begins_and_the_loss_is_told(topic: Topic) -> None:
    topic.publish(*events_of("run", *"abcd"))
    await delete_records_before(topic.servers.bootstrap_servers, topic.name, 2)
    progress: list[Progress] = []

    assert await ids(topic.read(positions={0: 1}, on_progress=progress.append)) == ["c", "d"]
    assert (progress[0].starts[0], progress[0].lost) == (2, {0: 1})


async def test_aborted_transactions_are_passed_over(topic: Topic) -> None:
    producer = transactional_producer(topic.servers.bootstrap_servers, topic.name)
    for name, commits in (("a", True), ("b", False)):
        producer.begin_transaction()
        publish(producer, topic.name, events_of("run", name))
        producer.commit_transaction() if commits else producer.abort_transaction()
    reading = topic.read()

    assert await ids(reading) == ["a"]
    assert reading.positions[0] == 4


async def test_transactions_that_overlap_are_read_where_they_were_committed(topic: Topic) -> None:
    commits, aborts = (
        transactional_producer(topic.servers.bootstrap_servers, f"{topic.name}-{name}") for name in ("c", "a")
    )
    for producer in (commits, aborts):
        producer.begin_transaction()
    for number in range(4):
        publish(commits if number % 2 else aborts, topic.name, events_of("run", f"{number}"))
    aborts.abort_transaction()
    aborts.begin_transaction()  # the records after an aborted transaction count
    publish(aborts, topic.name, events_of("run", "4"))
    aborts.commit_transaction()
    commits.commit_transaction()

    assert await ids(topic.read()) == ["1", "3", "4"]
    assert await ids(topic.read(positions={0: 2})) == ["3", "4"]


async def test_partitions_that_are_added_are_followed(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_runs.replay.topic_batches._METADATA_MAX_AGE_MS", 100)
    topic.publish(*events_of("run", "a"))
    key = key_of_partition(4, 5)
    everything, of_run = topic.read(follow=True), topic.read(follow=True, run_id=key.decode())
    async with asyncio.timeout(60):
        items = aiter(everything)
        assert (await anext(items)).offset == 0
        run_items = aiter(of_run)
        waiting = asyncio.ensure_future(anext(run_items))
        await set_partitions(topic.servers.bootstrap_servers, topic.name, 5)
        topic.publish(Message(key, event("b"), 4))

        assert [(item.partition, item.offset) for item in (await anext(items), await waiting)] == [(4, 0)] * 2
        assert everything.positions[4] == 1


@pytest.mark.slow
async def test_following_continues_after_a_restart_of_the_broker(own_servers: OwnServers) -> None:
    stack = own_servers()
    address = stack.kafka.bootstrap_servers
    await create_topic(address, "followed", 1, LOG_APPEND_TIME)
    items = aiter(read_topic("followed", follow=True, environ={"KAFKA_BOOTSTRAP_SERVERS": address}))
    async with asyncio.timeout(180):
        publish(foreign_producer(address), "followed", events_of("run", "before"))
        assert (await anext(items)).offset == 0
        waiting = asyncio.ensure_future(anext(items))
        await asyncio.to_thread(stack.kafka.kill)
        await asyncio.to_thread(stack.kafka.start)
        publish(foreign_producer(address), "followed", events_of("run", "after"))
        assert (await waiting).offset == 1


async def test_a_record_that_cannot_be_parsed_is_a_rejection_among_the_others(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic.publish(*events_of("run", "before"), *events_of("other", "elsewhere", partition=1))
    await publish_batch(topic.servers.bootstrap_servers, topic.name, monkeypatch, "a", "unreadable", "b")
    topic.publish(*events_of("run", "behind"))

    found = [item async for item in topic.read()]
    of_partition = [
        item.event.id if isinstance(item, TopicEvent) else item.reason for item in found if not item.partition
    ]
    assert of_partition == ["before", "a", "unreadable", "b", "behind"]
    assert len(found) == 6


async def test_a_missing_topic_is_named(topic: Topic) -> None:
    environ = {"KAFKA_BOOTSTRAP_SERVERS": topic.servers.bootstrap_servers}

    with pytest.raises(KafkaUnavailable, match="'no-such-topic'"):
        _ = [item async for item in read_topic("no-such-topic", environ=environ)]
