"""A producer that sends only nonsense: its partition stops, and says so, until an operator has seen to it."""

from functools import partial

from deploy.local.ports import free_port
from tests.integration.conftest import MakePipeline
from tests.support.health import health
from tests.support.messages import Message, said
from tests.support.pipeline import Pipeline
from tests.support.servers.clients import until

BREAKER = {
    "AGENT_RUNS_BREAKER_RECORDS": "20",
    "AGENT_RUNS_BREAKER_SHARE": "0.5",
    "AGENT_RUNS_BATCH_RECORDS": "4",
    "AGENT_RUNS_WATCH_INTERVAL_S": "0.2",
}
NONSENSE = [Message(b"run", b"no JSON")] * 30


async def test_a_partition_of_nonsense_halts_and_goes_on_once_its_letters_are_dealt_with(
    make_pipeline: MakePipeline,
) -> None:
    # Given a partition that gets nothing but nonsense, before something good, and another one,
    pipeline = await make_pipeline(2)
    await pipeline.publish(*NONSENSE, *said("run", "behind"), *said("other", "a", partition=1))
    port = free_port()
    async with pipeline.consumer(AGENT_RUNS_HTTP_PORT=str(port), **BREAKER) as running:
        # when a consumer takes them up, then the first one halts, a batch too late at most, and log and health say why;
        line = await running.says("halted")
        assert (line["partition"], "records were refused" in line["reason"]) == (0, True), line
        status, body = await health(port)
        assert (status, "not_json" in body) == (503, True), body
        first = len(await pipeline.letters())
        assert 10 < first <= 10 + 4
        # the other one goes on, and an operator is told.
        await until(partial(_has, pipeline, "other", "a"))
        shown = await pipeline.command("offsets", "show", **BREAKER)
        assert "halted" in shown.output
        assert "records were refused" in shown.output
    # A process that starts anew knows it too,
    async with pipeline.consumer(**BREAKER) as running:
        await running.says("halted")
        assert len(await pipeline.letters()) == first
        # and goes on, from where it stopped, each time that the letters are given up.
        while not await _has(pipeline, "run", "behind"):
            await pipeline.command("dead-letters", "discard", "--all", "--because", "a bad deploy", "--by", "Ada")
    assert len(await pipeline.letters()) == len(NONSENSE)
    await pipeline.assert_in_order()


async def _has(pipeline: Pipeline, run_id: str, event_id: str) -> bool:
    return event_id in await pipeline.stored(run_id)
