"""Consuming a log again, in any batches and lanes, gives the same tables."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from random import Random

from tests.checker import read_log, replay
from tests.support.messages import Message, event_with_literal
from tests.support.scene import PARTITIONS, MakeScene, Scene
from tests.support.servers import MakeDatabase
from tests.support.snapshots import RUN_DATA, row_versions, snapshot
from tests.support.workloads.mixed import mixed

SIZE = 1_000
# Added to the mix: a value that PostgreSQL refuses, and one that JSONB cannot hold exactly.
STORE_REJECTED, RAW = event_with_literal("x", b"1e131072"), event_with_literal("raw", rb'"\u0000 \ud800"')
# The fingerprint belongs to the last record passed; at the new position that record is unknown.
REWIND = """
    UPDATE consumer_offsets AS o
       SET next_offset = b.start_offset,
           last_offset = CASE WHEN o.last_offset < b.start_offset THEN o.last_offset END,
           last_timestamp = CASE WHEN o.last_offset < b.start_offset THEN o.last_timestamp END
      FROM unnest($1::integer[], $2::bigint[]) AS b (partition, start_offset)
     WHERE o.partition = b.partition
"""


async def _consumed(make_scene: MakeScene, rng: Random) -> Scene:
    """A scene whose log contains records of every outcome and was consumed once."""
    scene = await make_scene(PARTITIONS)
    added = [Message(b"run-%d" % number, value) for number in range(PARTITIONS) for value in (STORE_REJECTED, RAW)]
    await scene.publish(*mixed(rng, SIZE - len(added)), *added)
    await scene.consume()
    await scene.assert_consistent()
    tables = await snapshot(scene.database)
    assert all(tables[name] for name in RUN_DATA)
    return scene


async def test_a_consumer_started_again_changes_nothing(make_scene: MakeScene, rng: Random) -> None:
    # Given a consumed log, when it is consumed again, then the tables are the same.
    scene = await _consumed(make_scene, rng)
    before = await scene.tables()
    await scene.consume()
    assert await scene.tables() == before


async def test_a_topic_consumed_again_changes_no_row_and_counts_every_record_as_a_repeat(
    make_scene: MakeScene, rng: Random
) -> None:
    # Given a consumed log, dead letters that an operator has resolved, and a database that has lost its offsets,
    scene = await _consumed(make_scene, rng)
    await scene.rows("UPDATE dead_letters SET state = 'discarded', retries = 3")
    before = await row_versions(scene.database)
    await scene.rows("DELETE FROM consumer_offsets")
    # when the log is consumed again,
    await scene.consume(AGENT_RUNS_BATCH_RECORDS="7")
    # then no row was written again,
    assert await row_versions(scene.database) == before
    # and every record is counted as a repeat.
    sums = "SELECT sum(next_offset - first_offset)::integer, sum(repeats)::integer FROM consumer_offsets"
    assert await scene.rows(sums) == [(SIZE, SIZE)]


async def test_offsets_set_back_to_random_places_change_only_the_count_of_repeats(
    make_scene: MakeScene, rng: Random
) -> None:
    # Given a consumed log,
    scene = await _consumed(make_scene, rng)
    before, versions = await scene.tables(), await row_versions(scene.database)
    # when the offset of each partition is set back to another place, and the log is consumed again,
    starts = {row.partition: rng.randint(row.first_offset, row.next_offset) for row in before.offsets}
    await scene.rows(REWIND, list(starts), list(starts.values()))
    await scene.consume()
    # then no row has changed, and each record behind those places is counted as a repeat.
    changed = replay(before, await scene.tables(), await _records_from(scene, starts))
    assert not changed, "\n".join(map(str, changed))
    assert await row_versions(scene.database) == versions


async def _records_from(scene: Scene, starts: Mapping[int, int]) -> Counter[int]:
    log = await asyncio.to_thread(read_log, scene.servers.bootstrap_servers, scene.topic)
    return Counter(r.place.partition for r in log.records if r.place.offset >= starts[r.place.partition])


async def test_the_same_log_gives_equal_tables_whatever_the_batches_and_lanes(
    make_scene: MakeScene, make_database: MakeDatabase, rng: Random
) -> None:
    # Given a consumed log,
    scene = await _consumed(make_scene, rng)
    tables = await snapshot(scene.database)
    # when it is consumed into empty databases with other batches and lanes,
    for batch_records, lanes in (("1", "1"), ("7", "3"), ("4000", "1"), ("1", "3")):
        other = replace(scene, database=await make_database())
        await other.consume(AGENT_RUNS_BATCH_RECORDS=batch_records, AGENT_RUNS_LANES=lanes)
        # then every column is the same, except those of the wall clock.
        assert await snapshot(other.database) == tables, f"batches of {batch_records}, {lanes} lanes"
