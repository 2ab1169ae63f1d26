"""The circuit breaker: a partition with too many invalid records halts until an operator resolves its dead letters."""

from deploy.local.ports import free_port
from tests.support.health import health
from tests.support.messages import Message, events_of
from tests.support.scene import MakeScene

BREAKER = {
    "AGENT_RUNS_BREAKER_RECORDS": "20",
    "AGENT_RUNS_BREAKER_SHARE": "0.5",
    "AGENT_RUNS_BATCH_RECORDS": "4",
    "AGENT_RUNS_WATCH_INTERVAL_S": "0.2",
    "AGENT_RUNS_LOG_FORMAT": "json",
}
INVALID = [Message(b"run", b"no JSON", partition=0)] * 30


async def test_a_partition_of_invalid_records_halts_and_resumes_when_its_letters_are_resolved(
    make_scene: MakeScene,
) -> None:
    # Given a partition with invalid records before a valid one, and another partition,
    scene = await make_scene(2)
    await scene.publish(*INVALID, *events_of("run", "behind"), *events_of("other", "a", partition=1))
    port = free_port()
    # when a consumer starts, then the first partition halts, at most one batch too late, and log and health say why.
    consumer = scene.start(AGENT_RUNS_HTTP_PORT=str(port), **BREAKER)
    await consumer.wait_for_action("halted")
    line = consumer.lines("halted")[0]
    assert (line["partition"], "records were rejected" in line["reason"]) == (0, True), line
    status, body = await health(port)
    assert (status, "not_json" in body) == (503, True), body
    first = len(await scene.dead_letters())
    assert 10 < first <= 10 + 4
    # The other partition continues, and `offsets show` reports the halt.
    await scene.wait_for_events("other", "a")
    shown = await scene.command("offsets", "show", **BREAKER)
    assert "halted" in shown.output
    assert "records were rejected" in shown.output
    consumer.kill()
    # A new process halts as well,
    consumer = scene.start(**BREAKER)
    await consumer.wait_for_action("halted")
    assert len(await scene.dead_letters()) == first
    # and continues where it stopped, each time that the dead letters are discarded.
    while "behind" not in await scene.event_ids("run"):
        await scene.command("dead-letters", "discard", "--all", "--because", "a bad deploy", "--by", "Ada")
    assert len(await scene.dead_letters()) == len(INVALID)
    await consumer.wait_for_action("continued")
    await scene.assert_consistent()
