"""A producer with transactions leaves aborted records and markers in the log, and so offsets without a record."""

from aiokafka import AIOKafkaProducer

from tests.integration.conftest import MakePipeline
from tests.support.messages import said, send
from tests.support.pipeline import Pipeline
from tests.support.servers.clients import until


async def test_what_was_aborted_is_never_stored_and_the_offsets_pass_the_markers(pipeline: Pipeline) -> None:
    # Given transactions of which some were aborted, the last one among them,
    async with AIOKafkaProducer(
        bootstrap_servers=pipeline.servers.bootstrap_servers, transactional_id=pipeline.topic
    ) as producer:
        for number, commits in enumerate((True, False, True, False)):
            await producer.begin_transaction()
            await send(producer, pipeline.topic, said("run", f"{number}-a", f"{number}-b"))
            await (producer.commit_transaction() if commits else producer.abort_transaction())
    # when the log is consumed in batches of two records,
    await pipeline.consume(AGENT_RUNS_BATCH_RECORDS="2")
    # then the committed events are there, and the offset stands behind the last marker: three positions for each two
    # records and their marker.
    assert await pipeline.stored("run") == ["0-a", "0-b", "2-a", "2-b"]
    assert await pipeline.rows("SELECT next_offset, last_offset, repeats FROM consumer_offsets") == [(12, 7, 0)]
    await pipeline.assert_in_order()
    # And when there is nothing new, another run ends too.
    await pipeline.consume()


async def test_a_log_of_nothing_but_aborted_records_is_consumed_to_its_end(pipeline: Pipeline) -> None:
    # Given a log in which no reader can see a record,
    async with AIOKafkaProducer(
        bootstrap_servers=pipeline.servers.bootstrap_servers, transactional_id=pipeline.topic
    ) as producer:
        await producer.begin_transaction()
        await send(producer, pipeline.topic, said("run", "aborted"))
        await producer.abort_transaction()
    # when it is consumed,
    await pipeline.consume()
    # then nothing is stored but how far it went.
    assert await pipeline.rows("SELECT * FROM agent_runs") == []
    assert await pipeline.rows("SELECT next_offset, last_offset FROM consumer_offsets") == [(2, None)]


async def test_a_transaction_that_nobody_ends_holds_up_its_own_partition_only(make_pipeline: MakePipeline) -> None:
    # Given a producer that has begun a transaction in one of two partitions, and then says no more,
    pipeline = await make_pipeline(partitions=2)
    hanging = AIOKafkaProducer(
        bootstrap_servers=pipeline.servers.bootstrap_servers,
        transactional_id=pipeline.topic,
        transaction_timeout_ms=60_000,
    )
    async with hanging:
        await pipeline.publish(*said("one", "a"))
        await hanging.begin_transaction()
        await send(hanging, pipeline.topic, said("one", "b"))
        # when others publish behind it, and in the other partition,
        await pipeline.publish(*said("one", "c"), *said("two", "a", "b", partition=1))
        async with pipeline.consumer() as running:

            async def stores(run_id: str, *event_ids: str) -> bool:
                return await pipeline.stored(run_id) == list(event_ids)

            # then the other partition is stored, and this one up to where the transaction began,
            await until(lambda: stores("two", "a", "b"))
            await until(lambda: stores("one", "a"))
            # a run to the end has its end there,
            await pipeline.consume(AGENT_RUNS_GROUP=f"{pipeline.topic}-other")
            assert await stores("one", "a")
            # and when it is taken back, as the broker does by itself after a while, what came behind it is stored.
            await hanging.abort_transaction()
            await until(lambda: stores("one", "a", "c"))
            assert await running.stop() == 0
    await pipeline.assert_in_order()
