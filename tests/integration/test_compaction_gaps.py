"""Offsets without a record, because compaction removed it, are not a loss."""

import asyncio

from agent_runs.replay import read_topic
from tests.checker import read_log
from tests.support.messages import events_of
from tests.support.scene import MakeScene
from tests.support.servers.topics import set_configs
from tests.support.waiting import until

COMPACTED = {
    "cleanup.policy": "compact",
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.01",
    "max.compaction.lag.ms": "100",
}


async def test_offsets_removed_by_compaction_are_passed_without_an_alarm(make_scene: MakeScene) -> None:
    # Given a log with gaps: its topic was compacted and then set to cleanup.policy=delete,
    scene = await make_scene(configs=COMPACTED)
    for number in range(6):
        await scene.publish(*events_of("one", f"{number}-a", f"{number}-b"), *events_of("two", f"{number}-a"))

    async def has_gaps() -> bool:
        await scene.publish(*events_of("three", "again"))  # the newest segment is never compacted
        log = await asyncio.to_thread(read_log, scene.servers.bootstrap_servers, scene.topic)
        return len(log.records) < log.extents[0].end - 5

    await until(has_gaps, "the topic is compacted")
    await set_configs(scene.servers.bootstrap_servers, scene.topic, {"cleanup.policy": "delete"})
    # when it is consumed in small batches, and once more after a new record,
    await scene.consume(AGENT_RUNS_BATCH_RECORDS="2")
    await scene.publish(*events_of("two", "new"))
    await scene.consume(AGENT_RUNS_BATCH_RECORDS="2")
    # then the gaps are not taken for a loss, and every remaining record is stored,
    assert (await scene.event_ids("two"))[-1] == "new"
    await scene.assert_consistent()
    # and `read_topic` returns every remaining record, also from a position in a gap.
    bootstrap_servers = scene.servers.bootstrap_servers
    log = await asyncio.to_thread(read_log, bootstrap_servers, scene.topic)
    remaining = [record.place.offset for record in log.records]
    assert set(range(remaining[-1])) > set(remaining[:-1])
    for start in (0, min(set(range(remaining[-1])) - set(remaining))):
        reading = read_topic(scene.topic, positions={0: start}, environ={"KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers})
        assert [item.offset async for item in reading] == [offset for offset in remaining if offset >= start]
