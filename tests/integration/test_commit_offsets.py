"""Kafka's copy of the offsets is for lag tools: right, but never believed."""

from tests.integration.conftest import MakePipeline
from tests.support.messages import said
from tests.support.pipeline import Pipeline
from tests.support.servers.clients import until
from tests.support.topic_admin import committed


async def _advised(pipeline: Pipeline) -> dict[int, int]:
    return await committed(pipeline.servers.bootstrap_servers, f"{pipeline.topic}-group")


async def test_after_a_run_kafka_has_the_offsets_of_the_tables(make_pipeline: MakePipeline) -> None:
    # Given a topic with records in two of its three partitions, when it is consumed to its end,
    pipeline = await make_pipeline(partitions=3)
    await pipeline.publish(*said("one", "a", "b"), *said("two", "a", partition=1))
    await pipeline.consume()
    # then a lag tool sees what is stored.
    stored = dict(await pipeline.rows("SELECT partition, next_offset FROM consumer_offsets"))
    assert await _advised(pipeline) == stored == {0: 2, 1: 1, 2: 0}


async def test_a_consumer_of_an_empty_topic_says_at_once_where_it_stands(make_pipeline: MakePipeline) -> None:
    # Given an empty topic, when a consumer starts,
    pipeline = await make_pipeline(partitions=2)
    async with pipeline.consumer() as running:

        async def said_so() -> bool:
            return await _advised(pipeline) == {0: 0, 1: 0}

        # then a lag tool sees a consumer without lag, instead of none.
        await until(said_so)
        assert await running.stop() == 0


async def test_what_kafka_says_of_our_offsets_is_never_believed(pipeline: Pipeline) -> None:
    # Given a consumed topic, and a database that has forgotten it while Kafka has not,
    await pipeline.publish(*said("run", "a", "b"))
    await pipeline.consume()
    await pipeline.rows("TRUNCATE agent_runs, run_events, consumer_offsets")
    assert await _advised(pipeline) == {0: 2}
    # when the same group consumes, then it begins where the tables say: at the beginning.
    await pipeline.consume()
    assert await pipeline.stored("run") == ["a", "b"]
