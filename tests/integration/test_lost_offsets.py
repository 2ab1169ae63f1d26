"""When the log no longer holds what comes next, a partition halts: nobody passes it by, and an operator decides."""

import pytest
from aiokafka import AIOKafkaProducer

from consumer.errors import OperatorNeeded
from tests.integration.conftest import MakePipeline
from tests.support.messages import said, send
from tests.support.pipeline import Pipeline
from tests.support.snapshots import snapshot
from tests.support.topic_admin import add_partitions, make_anew, retain_from


async def _made_anew(pipeline: Pipeline, records: int) -> None:
    """A pipeline that has stored three records of a topic, which then was made anew with others."""
    await pipeline.publish(*said("run", "a", "b", "c"))
    await pipeline.consume()
    await make_anew(pipeline.servers.bootstrap_servers, pipeline.topic)
    await pipeline.publish(*said("run", *(f"new-{number}" for number in range(records))))


@pytest.mark.parametrize(
    ("records", "reason"),
    [(1, "before the stored offset 3"), (5, "the record stored from offset 2 is no longer in the log")],
)
async def test_a_topic_that_was_made_anew_halts_its_partition_and_says_why(
    pipeline: Pipeline, records: int, reason: str
) -> None:
    # Given a topic that was deleted and made anew, with fewer records than were stored, or with more,
    await _made_anew(pipeline, records)
    before = await snapshot(pipeline.database)
    # when the service reads to the end, then it asks for an operator,
    finished = await pipeline.command("run", "--until-end")
    assert finished.exit_code == 3
    assert reason in finished.output
    # nothing is stored,
    assert await snapshot(pipeline.database) == before
    # and `offsets show` says why, and what can be done.
    shown = await pipeline.command("offsets", "show")
    assert shown.exit_code == 0
    assert reason in shown.output
    assert "accept-loss --partition N --by NAME" in shown.output


async def test_a_topic_made_anew_is_recognised_where_no_record_stands_at_the_stored_offset(pipeline: Pipeline) -> None:
    # Given a topic that was made anew by a producer with transactions, whose marker stands where the last record stood,
    await pipeline.publish(*said("run", "a", "b", "c"))
    await pipeline.consume()
    await make_anew(pipeline.servers.bootstrap_servers, pipeline.topic)
    async with AIOKafkaProducer(
        bootstrap_servers=pipeline.servers.bootstrap_servers, transactional_id=pipeline.topic
    ) as producer:
        for transaction in (said("run", "new-0", "new-1"), said("run", "new-2")):
            await producer.begin_transaction()
            await send(producer, pipeline.topic, transaction)
            await producer.commit_transaction()
    # when the service reads to the end, then it doesn't take the new log for the old one.
    with pytest.raises(OperatorNeeded, match="stored from offset 2 is no longer"):
        await pipeline.consume()
    assert await pipeline.stored("run") == ["a", "b", "c"]


async def test_the_partitions_beside_a_halted_one_go_on(make_pipeline: MakePipeline) -> None:
    # Given a partition from which retention took records that were never stored, and another one,
    pipeline = await make_pipeline(partitions=2)
    both = [*said("one", "a"), *said("two", "a", partition=1)]
    await pipeline.publish(*both)
    await pipeline.consume()
    await pipeline.publish(*said("one", "b", "c", "d"), *said("two", "b", "c", partition=1))
    await retain_from(pipeline.servers.bootstrap_servers, pipeline.topic, 3)
    # when the service reads to the end, then it finishes the other one before it asks for an operator.
    with pytest.raises(OperatorNeeded, match=r"^partition 0: the log begins at offset 3: the records from offset 1 "):
        await pipeline.consume()
    assert await pipeline.stored("one") == ["a"]
    assert await pipeline.stored("two") == ["a", "b", "c"]


async def test_an_accepted_loss_is_written_down_and_consumption_goes_on(pipeline: Pipeline) -> None:
    # Given a partition that lost two records to retention,
    await pipeline.publish(*said("run", "a", "b", "c", "d"))
    await retain_from(pipeline.servers.bootstrap_servers, pipeline.topic, 1)
    await pipeline.consume()
    await pipeline.publish(*said("run", "lost", "lost too", "kept"))
    await retain_from(pipeline.servers.bootstrap_servers, pipeline.topic, 6)
    before = await pipeline.rows("SELECT first_offset, next_offset, last_offset, last_timestamp FROM consumer_offsets")
    assert before[0][:3] == (1, 4, 3)
    # when an operator accepts that,
    accepted = await pipeline.command("offsets", "accept-loss", "--partition", "0", "--by", "Ada")
    assert accepted.exit_code == 0, accepted.output
    # then who did, and what was given up, is on record,
    losses = (
        "SELECT first_offset, next_offset, last_offset, last_timestamp, resumed_at, accepted_by FROM accepted_losses"
    )
    assert await pipeline.rows(losses) == [(*before[0], 6, "Ada")]
    assert "the log begins at offset 6" in str(await pipeline.rows("SELECT reason FROM accepted_losses"))
    # and it goes on from where the log begins.
    await pipeline.consume()
    assert await pipeline.stored("run") == ["b", "c", "d", "kept"]
    assert await pipeline.rows("SELECT first_offset, next_offset FROM consumer_offsets") == [(6, 7)]


async def test_a_topic_made_anew_goes_on_from_its_beginning_once_the_loss_is_accepted(pipeline: Pipeline) -> None:
    # Given a topic that was made anew, and bad records at the same offsets before and after,
    await _made_anew(pipeline, records=5)
    # when an operator accepts that,
    await pipeline.command("offsets", "accept-loss", "--partition", "0", "--by", "Ada")
    await pipeline.consume()
    # then the new log is consumed from its beginning, behind what the runs had.
    assert await pipeline.stored("run") == ["a", "b", "c", *(f"new-{number}" for number in range(5))]
    assert await pipeline.rows("SELECT first_offset, next_offset FROM consumer_offsets") == [(0, 5)]


async def test_a_loss_can_be_accepted_only_where_something_was_lost(pipeline: Pipeline) -> None:
    # Given a partition that has lost nothing,
    await pipeline.publish(*said("run", "a"))
    await pipeline.consume()
    before = await snapshot(pipeline.database)
    # when somebody accepts its loss, or that of one that there isn't, then both are refused.
    refused = await pipeline.command("offsets", "accept-loss", "--partition", "0", "--by", "Ada")
    assert (refused.exit_code, "has lost nothing" in refused.output) == (2, True), refused.output
    unknown = await pipeline.command("offsets", "accept-loss", "--partition", "7", "--by", "Ada")
    assert (unknown.exit_code, "has no partition 7" in unknown.output) == (2, True), unknown.output
    assert await snapshot(pipeline.database) == before


async def test_retention_of_what_is_stored_already_is_no_loss(pipeline: Pipeline) -> None:
    # Given a log from which retention took only what was stored, its last record included,
    await pipeline.publish(*said("run", "a", "b"))
    await pipeline.consume()
    await retain_from(pipeline.servers.bootstrap_servers, pipeline.topic, 2)
    await pipeline.publish(*said("run", "c"))
    # when it is consumed further, then nothing halts.
    await pipeline.consume()
    assert await pipeline.stored("run") == ["a", "b", "c"]


async def test_added_partitions_are_consumed_from_their_beginning_with_a_warning(pipeline: Pipeline) -> None:
    # Given a topic that got a second partition, and records in it, after the first was consumed,
    await pipeline.publish(*said("one", "a"))
    await pipeline.consume()
    await add_partitions(pipeline.servers.bootstrap_servers, pipeline.topic, 2)
    await pipeline.publish(*said("two", "a", "b", partition=1))
    # when the service reads to the end,
    finished = await pipeline.command("run", "--until-end")
    # then it stores them, and warns of runs that are split now.
    assert finished.exit_code == 0
    assert "partitions_added" in finished.output
    assert await pipeline.stored("two") == ["a", "b"]
