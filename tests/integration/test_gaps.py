"""A log with holes in it: offsets that no record has, because compaction took them before anybody looked."""

import asyncio

from tests.checker import read_log
from tests.integration.conftest import MakePipeline
from tests.support.messages import said
from tests.support.servers.clients import until
from tests.support.topic_admin import configure

COMPACTED = {
    "cleanup_policy": "compact",
    "segment_ms": "100",
    "min_cleanable_dirty_ratio": "0.01",
    "max_compaction_lag_ms": "100",
}


async def test_offsets_that_compaction_took_are_passed_and_alarm_nobody(make_pipeline: MakePipeline) -> None:
    # Given a topic that somebody has compacted, so that its log has holes, and then set right,
    pipeline = await make_pipeline(**COMPACTED)
    for number in range(6):
        await pipeline.publish(*said("one", f"{number}-a", f"{number}-b"), *said("two", f"{number}-a"))

    async def has_holes() -> bool:
        await pipeline.publish(*said("three", "again"))  # only what is not the newest segment is compacted
        log = await asyncio.to_thread(read_log, pipeline.servers.bootstrap_servers, pipeline.topic)
        return len(log.records) < log.extents[0].end - 5

    await until(has_holes)
    await configure(pipeline.servers.bootstrap_servers, pipeline.topic, {"cleanup.policy": "delete"})
    # when it is consumed, in small batches, and once more when there is something new,
    await pipeline.consume(AGENT_RUNS_BATCH_RECORDS="2")
    await pipeline.publish(*said("two", "new"))
    await pipeline.consume(AGENT_RUNS_BATCH_RECORDS="2")
    # then nobody takes the holes for a loss, and what is left is stored.
    assert (await pipeline.stored("two"))[-1] == "new"
    await pipeline.assert_in_order()
