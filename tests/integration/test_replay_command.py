"""`agent-runs replay` reads a topic again, and copies it byte for byte to another topic."""

import asyncio
import json
import re
import shlex
import sys
from asyncio.subprocess import PIPE
from signal import SIGINT, SIGTERM, Signals
from typing import Any

import pytest

from tests.checker import read_log
from tests.checker.log import Record
from tests.support.command_line import Ran, agent_runs
from tests.support.foreign_producer import foreign_producer, key_of_partition, publish
from tests.support.messages import Message, event, events_of
from tests.support.paths import CHECKOUT
from tests.support.servers import MakeTopic, Servers
from tests.support.servers.topics import delete_records_before
from tests.support.unreadable_records import publish_batch

# Without the limit of the age, the broker would delete the earlier records at once.
KEPT_TIMESTAMPS = {"message.timestamp.type": "CreateTime", "retention.ms": "-1"}
EARLIER_MS = 1_700_000_000_000


class Topics:
    """Topics of the test's Kafka, and the command line with one of them."""

    def __init__(self, servers: Servers, make_topic: MakeTopic) -> None:
        self.servers = servers
        self.make = make_topic

    def publish(self, topic: str, *messages: Message) -> None:
        publish(foreign_producer(self.servers.bootstrap_servers), topic, list(messages))

    def environ(self, topic: str) -> dict[str, str]:
        return {"KAFKA_BOOTSTRAP_SERVERS": self.servers.bootstrap_servers, "AGENT_RUNS_TOPIC": topic}

    async def replay(self, topic: str, *arguments: str, exit_code: int = 0) -> Ran:
        ran = await agent_runs(self.environ(topic), "replay", *arguments)
        assert ran.exit_code == exit_code, ran
        return ran

    async def records(self, topic: str) -> list[Record]:
        """Return the committed records, partition by partition."""
        log = await asyncio.to_thread(read_log, self.servers.bootstrap_servers, topic)
        return sorted(log.records, key=lambda record: record.place)


def content(record: Record) -> tuple[Any, ...]:
    return record.place.partition, record.key, record.value, record.headers


@pytest.fixture
def topics(servers: Servers, make_topic: MakeTopic) -> Topics:
    return Topics(servers, make_topic)


def place(line: str) -> str:
    return line.split()[2]


async def test_records_are_listed_with_refused_ones_and_where_to_continue(topics: Topics) -> None:
    topic = await topics.make(2)
    topics.publish(topic, *events_of("run-a", "a0", "a1"), Message(b"run-a", b"not \x1b json", 0))
    topics.publish(topic, *events_of("run-b", "b0", partition=1), Message(b"run-c", b'{"type":\n"new","id":"n",', 1))

    listed = await topics.replay(topic)
    lines = sorted(listed.output.splitlines(), key=place)
    assert [(place(line), *line.split()[3:5]) for line in lines] == [
        ("0:0", "run-a", "input"),
        ("0:1", "run-a", "input"),
        ("0:2", "run-a", "not_json"),
        ("1:0", "run-b", "input"),
        ("1:1", "run-c", "not_json"),
    ]
    assert "refused: " in lines[2]
    assert listed.errors == "Read 5 records. To continue: agent-runs replay --from 0:3,1:2\n"

    rest = await topics.replay(topic, "--from", "0:2,1:1", "-o", "jsonl")
    refused = [json.loads(line) for line in rest.output.splitlines()]
    assert sorted((each["partition"], each["offset"], each["reason"]) for each in refused) == [
        (0, 2, "not_json"),
        (1, 1, "not_json"),
    ]
    run = await topics.replay(topic, "--run", "run-b", "--partition", "1", "-o", "jsonl")
    assert run.errors == (
        "Read 2 records, and printed 1 of them. "
        "To continue: agent-runs replay --run run-b --output jsonl --partition 1 --from 1:2\n"
    )
    found = json.loads(run.output)
    assert (found["run_id"], found["partition"], found["offset"], found["event"]["id"]) == ("run-b", 1, 0, "b0")


async def test_a_deleted_beginning_is_noted(topics: Topics) -> None:
    topic = await topics.make(1)
    topics.publish(topic, *events_of("run", *"abc"))
    await delete_records_before(topics.servers.bootstrap_servers, topic, 2)

    assert (await topics.replay(topic)).errors == (
        "The log begins at 0:2: the records before were deleted.\n"
        "Read 1 record. To continue: agent-runs replay --from 0:3\n"
    )


async def test_a_copy_has_the_same_keys_bytes_headers_and_timestamps(
    topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a topic with events, refused records, records without key or value, and one that cannot be read,
    source, target = await topics.make(3, KEPT_TIMESTAMPS), await topics.make(3, KEPT_TIMESTAMPS)
    headers = (("traceparent", b"00-1"), ("x", None), ("x", b"\xff"))
    topics.publish(
        source,
        Message(b"run-a", b'{"type":"input", "id":"a"\n}', 1, headers, EARLIER_MS),
        Message(None, b"\xff\x00", 2, (), EARLIER_MS + 1),
        Message(b"run-a", None, 1, (), EARLIER_MS + 2),
        Message(b"\xff", event("b"), 2, (), EARLIER_MS + 3),
    )
    await publish_batch(topics.servers.bootstrap_servers, source, monkeypatch, "c", "unreadable", "d")
    monkeypatch.undo()
    # when it is copied,
    ran = await topics.replay(source, "--into", target)
    # then the copy has the same records in the same partitions and order, without the unreadable one, which is named.
    records = await topics.records(target)
    assert [content(record) for record in records if record.place.partition] == [
        (1, b"run-a", b'{"type":"input", "id":"a"\n}', headers),
        (1, b"run-a", None, ()),
        (2, None, b"\xff\x00", ()),
        (2, b"\xff", event("b"), ()),
    ]
    assert [record.timestamp - EARLIER_MS for record in records if record.place.partition] == [0, 2, 1, 3]
    assert [content(record) for record in records if not record.place.partition] == [
        (0, b"run", event(name), (("h", b"1"),)) for name in ("c", "d")
    ]
    noted = ran.errors.splitlines()
    assert noted[0].startswith("Not copied: record 0:1 cannot be read: the name of a header is not UTF-8")
    again = f"agent-runs replay --into {target} --from 0:3,1:2,2:2"
    assert noted[1:] == [f"Copied 6 records; 1 cannot be read. To continue: {again}"]


async def test_a_copy_to_fewer_partitions_keeps_the_order_of_each_run(topics: Topics) -> None:
    source, target = await topics.make(3), await topics.make(2)
    keys = [key_of_partition(number, 3) for number in range(3)]
    topics.publish(source, *(Message(keys[number % 3], event(str(number))) for number in range(30)))

    await topics.replay(source, "--into", target, "--rate", "1000")

    records = await topics.records(target)
    for first, key in enumerate(keys):
        of_run = [json.loads(record.value or b"")["id"] for record in records if record.key == key]
        assert of_run == [str(number) for number in range(first, 30, 3)]
        assert len({record.place.partition for record in records if record.key == key}) == 1


@pytest.mark.parametrize(("sent", "exit_code"), [(SIGINT, 130), (SIGTERM, 143)])
async def test_an_interrupted_copy_continues_where_it_ended_without_repeats(
    topics: Topics, sent: Signals, exit_code: int
) -> None:
    # Given a topic whose copy takes ten seconds; the records of a partition are written together,
    source, target = await topics.make(10), await topics.make(10)
    topics.publish(source, *(message for n in range(200) for message in events_of(f"run-{n}", "e", partition=n % 10)))
    # when the copy is interrupted after its first records,
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent_runs", "replay", "--into", target, "--rate", "20"),
        cwd=CHECKOUT,
        env=topics.environ(source),
        stderr=PIPE,
    )
    while len(await topics.records(target)) < 4:
        assert process.returncode is None
    process.send_signal(sent)
    _, errors = await asyncio.wait_for(process.communicate(), 60)

    assert process.returncode == exit_code, errors
    # then it says how to continue,
    last = errors.decode().strip().splitlines()[-1]  # on a busy machine, progress comes before
    match = re.fullmatch(r"Copied (\d+) records. To continue: agent-runs (replay .*)", last)
    assert match, errors
    assert 4 <= int(match[1]) < 200
    assert int(match[1]) == len(await topics.records(target))
    # and the command that it prints, here without its limit, copies the rest.
    command = match[2].replace("--rate 20.0", "--rate 100000")
    assert command != match[2]
    again = await agent_runs(topics.environ(source), *shlex.split(command))
    assert again.exit_code == 0, again
    copied, original = await topics.records(target), await topics.records(source)
    assert list(map(content, copied)) == list(map(content, original))


async def test_what_cannot_be_copied_is_refused(topics: Topics) -> None:
    topic, small = await topics.make(1), await topics.make(1, {"max.message.bytes": "1000"})
    topics.publish(topic, Message(b"run", event("big", data="".join(map(chr, range(33, 3000))))))

    itself = await topics.replay(topic, "--into", topic, exit_code=2)
    assert "this is the topic that is read" in itself.errors
    missing = await topics.replay(topic, "--into", "no-such-topic", exit_code=4)
    assert "topic 'no-such-topic' does not exist" in missing.errors
    large = await topics.replay(topic, "--into", small, exit_code=4)
    assert "refuses a record: raise its max.message.bytes" in large.errors
    assert f"To continue: agent-runs replay --into {small} --from 0:0" in large.errors
    assert "has the form" not in (await topics.replay(topic, "--from", "0", exit_code=2)).output
