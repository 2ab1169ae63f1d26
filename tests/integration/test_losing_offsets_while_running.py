"""The same accidents while a consumer runs: it notices by itself, and goes on once an operator has decided."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from deploy.local.ports import free_port
from tests.integration.conftest import MakePipeline
from tests.support.health import health
from tests.support.messages import said
from tests.support.pipeline import Pipeline
from tests.support.running import Running
from tests.support.servers.clients import until
from tests.support.topic_admin import add_partitions, make_anew, retain_from

WATCH = {"AGENT_RUNS_WATCH_INTERVAL_S": "0.2"}


@asynccontextmanager
async def _watched(pipeline: Pipeline) -> AsyncIterator[tuple[Running, Callable[[], Awaitable[tuple[int, str]]]]]:
    """A running consumer, and a way to ask for its health."""
    port = free_port()
    async with pipeline.consumer(AGENT_RUNS_HTTP_PORT=str(port), **WATCH) as running:
        yield running, partial(health, port)


async def _stores(pipeline: Pipeline, run_id: str, *event_ids: str) -> None:
    """Wait until a run has these events."""

    async def stored() -> bool:
        return await pipeline.stored(run_id) == list(event_ids)

    await until(stored)


async def _halts(running: Running, asked: Callable[[], Awaitable[tuple[int, str]]], reason: str) -> None:
    """Wait until the consumer halts its first partition, and require that its log and its health say why."""
    line = await running.says("halted")
    assert (line["partition"], reason in line["reason"]) == (0, True), line

    async def red() -> bool:
        status, body = await asked()
        return status == 503 and "partition 0 is halted" in body and reason in body

    await until(red)


async def test_a_running_consumer_halts_when_its_topic_is_made_anew_with_fewer_records(pipeline: Pipeline) -> None:
    # Given a healthy consumer that has stored three records,
    await pipeline.publish(*said("run", "a", "b", "c"))
    async with _watched(pipeline) as (running, asked):
        await _stores(pipeline, "run", "a", "b", "c")
        assert await asked() == (200, "ok\n")
        # when the topic is deleted and made anew,
        await make_anew(pipeline.servers.bootstrap_servers, pipeline.topic)
        await pipeline.publish(*said("run", "new"))
        # then it halts and says so, and stops in good order when told to.
        await _halts(running, asked, "before the stored offset 3")
        assert await running.stop() == 0
    assert await pipeline.stored("run") == ["a", "b", "c"]


async def test_a_running_consumer_halts_when_its_topic_is_made_anew_with_more_records(pipeline: Pipeline) -> None:
    # Given a consumer that has stored two records,
    await pipeline.publish(*said("run", "a", "b"))
    async with _watched(pipeline) as (running, asked):
        await _stores(pipeline, "run", "a", "b")
        # when the topic is made anew, and so many records come that its offset is one of the new log's,
        await make_anew(pipeline.servers.bootstrap_servers, pipeline.topic)
        await pipeline.publish(*said("run", *(f"new-{number}" for number in range(5))))
        # then it finds that another record stands where it was, and halts.
        await _halts(running, asked, "the record stored from offset 1 is no longer in the log")


async def test_a_consumer_that_slept_while_its_topic_was_made_anew_halts_for_good(pipeline: Pipeline) -> None:
    # Given a consumer that sees nothing of its topic being deleted and made anew, and goes on at its offset,
    await pipeline.publish(*said("run", "a", "b"))
    async with _watched(pipeline) as (running, asked):
        await _stores(pipeline, "run", "a", "b")
        await running.freeze()
        await make_anew(pipeline.servers.bootstrap_servers, pipeline.topic)
        await pipeline.publish(*said("run", *(f"new-{number}" for number in range(5))))
        # when it wakes, then it finds that another record stands where it was, and halts,
        running.thaw()
        await _halts(running, asked, "the record stored from offset 1 is no longer in the log")
        assert await running.stop() == 0
    # and so does whoever comes after it, although records of the new log may have been stored meanwhile.
    after = await pipeline.command("run", "--until-end")
    assert (after.exit_code, "stored from offset 1 is no longer" in after.output) == (3, True), after.output


async def test_a_running_consumer_goes_on_by_itself_once_the_loss_is_accepted(make_pipeline: MakePipeline) -> None:
    # Given a consumer that halts one of two partitions, because retention took what it had not stored,
    pipeline = await make_pipeline(partitions=2)
    await pipeline.publish(*said("one", "a"), *said("two", "a", partition=1))
    await pipeline.consume()
    await pipeline.publish(*said("one", "lost", "kept"))
    await retain_from(pipeline.servers.bootstrap_servers, pipeline.topic, 2)
    async with _watched(pipeline) as (running, asked):
        await _halts(running, asked, "the log begins at offset 2")
        # when records come in the other one, then they are stored.
        await pipeline.publish(*said("two", "b", partition=1))
        await _stores(pipeline, "two", "a", "b")
        # When an operator accepts the loss,
        accepted = await pipeline.command("offsets", "accept-loss", "--partition", "0", "--by", "Ada")
        assert accepted.exit_code == 0, accepted.output
        # then the consumer notices, goes on, and is healthy again.
        await _stores(pipeline, "one", "a", "kept")

        async def green() -> bool:
            return (await asked())[0] == 200

        await until(green)


async def test_a_running_consumer_takes_up_added_partitions(pipeline: Pipeline) -> None:
    # Given a running consumer,
    await pipeline.publish(*said("one", "a"))
    async with pipeline.consumer(**WATCH) as running:
        await _stores(pipeline, "one", "a")
        # when its topic gets another partition with records in it,
        await add_partitions(pipeline.servers.bootstrap_servers, pipeline.topic, 2)
        await pipeline.publish(*said("two", "a", partition=1))
        # then it takes it up from its beginning, and warns.
        await _stores(pipeline, "two", "a")
        assert (await running.says("partitions_added"))["partitions"] == [1]
