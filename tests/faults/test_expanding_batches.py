"""Small record batches that expand to more memory than a consumer may use."""

import re
from dataclasses import replace

import pytest

from tests.support.foreign_producer import foreign_producer, publish
from tests.support.messages import Message, event
from tests.support.scene import PARTITIONS, Scene
from tests.support.servers import MakeTopic

LARGE_BATCHES = {"max.message.bytes": str(17 * 1024 * 1024)}
MAX_MIB = 512
MB = 1_000_000
SMALL_BATCHES = 20
HALTED = re.compile(r"the record at offset [12] cannot be read: BatchTooLarge")


def publish_batches(scene: Scene, codec: str, *batches: list[Message]) -> None:
    """Publish each list of messages as one record batch."""
    settings: dict[str, str | int | bool] = {
        "compression.type": codec,
        "linger.ms": 60_000,  # flush() ends the wait
        "message.max.bytes": 400 * MB,
        "batch.size": 400 * MB,
        "queue.buffering.max.kbytes": 2_000_000,
    }
    producer = foreign_producer(scene.servers.bootstrap_servers, **settings)
    for batch in batches:
        publish(producer, scene.topic, batch)


@pytest.mark.parametrize(
    ("codec", "bomb_mb", "bombs"),
    [
        ("zstd", 64, 2),
        *(pytest.param(codec, 300, 10, marks=pytest.mark.slow) for codec in ("gzip", "lz4", "zstd")),
        # The broker of the tests has too little heap for a larger block of snappy, which it checks as a whole.
        pytest.param("snappy", 64, 10, marks=pytest.mark.slow),
    ],
)
async def test_batches_that_expand_too_much_halt_their_partitions_and_the_others_continue(
    scene: Scene, make_topic: MakeTopic, codec: str, bomb_mb: int, bombs: int
) -> None:
    # Given a bomb among good records of one batch, bombs in batches of one fetch, and a partition of good records,
    scene = replace(scene, topic=await make_topic(PARTITIONS, LARGE_BATCHES))
    bomb = bytes(bomb_mb * MB)

    def good(name: str, partition: int) -> Message:
        return Message(f"run-{partition}".encode(), event(name), partition)

    publish_batches(scene, codec, [good("before", 0)], [good("a", 0), Message(b"run-0", bomb, 0), good("b", 0)])
    publish_batches(scene, codec, [good("before", 1)], *([Message(b"run-1", bomb, 1)] for _ in range(bombs)))
    publish_batches(scene, codec, [good("before", 2)], [good("behind", 2)])
    # when a consumer reads them,
    consumer = scene.start(AGENT_RUNS_LOG_FORMAT="json")
    await consumer.wait_for_action("halted", times=2)
    await scene.wait_for_events("run-2", "before", "behind")
    # then the two partitions halt at the bombs, everything else is stored, and the process needed little memory.
    halted = [line["reason"] for line in consumer.lines("halted")]
    assert all(HALTED.match(reason) for reason in halted), halted
    # librdkafka may have sent the record before the bomb in a batch of its own.
    assert await scene.event_ids("run-0") in (["before"], ["before", "a"])
    assert await scene.event_ids("run-1") == ["before"]
    assert await scene.dead_letters() == []
    print(f"{codec}: {consumer.peak_mib:.0f} MiB")
    assert consumer.peak_mib < MAX_MIB
    await consumer.terminate()


async def test_batches_that_fit_one_by_one_are_stored_although_a_fetch_of_all_would_not_fit(
    scene: Scene, make_topic: MakeTopic
) -> None:
    # Given batches that expand to 1 MB each, and fit into one fetch while they are compressed,
    scene = replace(scene, topic=await make_topic(1, LARGE_BATCHES))
    messages = [Message(b"run", event(f"event-{number}", data="x" * MB)) for number in range(SMALL_BATCHES)]
    publish_batches(scene, "zstd", *([message] for message in messages))
    # when a consumer may hold two of them after decompression,
    finished = await scene.command("run", "--until-end", AGENT_RUNS_MAX_DECOMPRESSED_BYTES=str(5 * MB // 2))
    # then it stores all of them, and takes none of them for unreadable.
    assert finished.exit_code == 0, finished.output
    assert "cannot be read" not in finished.output
    assert await scene.event_ids("run") == [f"event-{number}" for number in range(SMALL_BATCHES)]
