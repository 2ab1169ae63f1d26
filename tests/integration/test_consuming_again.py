"""The log is the truth: consumed again, by whatever batches and lanes, it gives the same tables."""

from dataclasses import replace

from tests.integration.conftest import MakePipeline
from tests.integration.mixed_log import PARTITIONS, mixed_log
from tests.support.pipeline import Pipeline
from tests.support.servers import MakeDatabase
from tests.support.snapshots import row_versions, snapshot

SEED = 20260131
SIZE = 200


async def _full(make_pipeline: MakePipeline) -> Pipeline:
    """A pipeline whose log has been consumed once."""
    pipeline = await make_pipeline(PARTITIONS)
    await pipeline.publish(*mixed_log(SEED, SIZE))
    await pipeline.consume()
    await pipeline.assert_in_order()
    return pipeline


async def test_a_topic_consumed_again_changes_no_row_and_counts_every_record_as_a_repeat(
    make_pipeline: MakePipeline,
) -> None:
    # Given a consumed log, and a database that has forgotten how far it was,
    pipeline = await _full(make_pipeline)
    before = await row_versions(pipeline.database)
    await pipeline.rows("DELETE FROM consumer_offsets")
    # when it is consumed again,
    await pipeline.consume()
    # then not one row was written anew,
    assert await row_versions(pipeline.database) == before
    # and every record is accounted for as a repeat.
    sums = "SELECT sum(next_offset - first_offset)::integer, sum(repeats)::integer FROM consumer_offsets"
    assert await pipeline.rows(sums) == [(SIZE, SIZE)]


async def test_the_state_of_a_letter_survives_consuming_again(make_pipeline: MakePipeline) -> None:
    # Given letters that an operator has dealt with,
    pipeline = await _full(make_pipeline)
    await pipeline.rows("UPDATE dead_letters SET state = 'discarded', retries = 3")
    before = await row_versions(pipeline.database)
    await pipeline.rows("DELETE FROM consumer_offsets")
    # when the topic is consumed again, then they stay dealt with.
    await pipeline.consume(AGENT_RUNS_BATCH_RECORDS="7")
    assert await row_versions(pipeline.database) == before


async def test_the_same_log_gives_equal_tables_whatever_the_batches_and_lanes(
    make_pipeline: MakePipeline, make_database: MakeDatabase
) -> None:
    # Given a log that was consumed in one way,
    pipeline = await _full(make_pipeline)
    tables = await snapshot(pipeline.database)
    assert all(tables[name] for name in ("agent_runs", "run_events", "dead_letters"))
    # when it is consumed into empty databases in other ways,
    for batch_records, lanes in (("1", "1"), ("7", "3"), ("4000", "1"), ("1", "3")):
        other = replace(pipeline, database=await make_database())
        await other.consume(AGENT_RUNS_BATCH_RECORDS=batch_records, AGENT_RUNS_LANES=lanes)
        # then every column that is not of the wall clock is the same.
        assert await snapshot(other.database) == tables, f"batches of {batch_records}, {lanes} lanes"
