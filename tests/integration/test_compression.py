"""The consumer reads record batches of every compression codec."""

from tests.support.foreign_producer import foreign_producer, publish
from tests.support.messages import events_of
from tests.support.scene import Scene


async def test_batches_of_every_codec_are_read(scene: Scene) -> None:
    # Given producers with different codecs,
    codecs = ("gzip", "snappy", "lz4", "zstd")
    for codec in codecs:
        settings: dict[str, str | int | bool] = {"compression.type": codec}
        producer = foreign_producer(scene.servers.bootstrap_servers, **settings)
        publish(producer, scene.topic, events_of("run", codec, f"{codec} too"))
    # when their batches are consumed, then all events are stored: a missing codec would stop the partition for ever.
    await scene.consume()
    assert await scene.event_ids("run") == [event_id for codec in codecs for event_id in (codec, f"{codec} too")]
