"""A producer with transactions leaves aborted records and markers in the log, and so offsets without a record."""

from aiokafka import AIOKafkaProducer

from tests.integration.messages import said, send
from tests.integration.pipeline import Pipeline


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
