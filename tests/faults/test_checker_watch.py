"""The watch checks snapshots while consumers run. It reports bugs, and no false violations."""

import asyncio
from dataclasses import replace
from itertools import islice
from random import Random

import pytest

from deploy.local import Kafka
from tests.checker import Rule, watching
from tests.checker.watch import Watch
from tests.support.fault_injection.bugs import BUGS
from tests.support.messages import Message
from tests.support.proxy.proxy import DatabaseProxy
from tests.support.scene import Scene
from tests.support.servers import MakeDatabase
from tests.support.servers.clients import execute
from tests.support.waiting import until
from tests.support.workloads.background import publishing
from tests.support.workloads.mixed import mixed, ordinary_events

SNAPSHOTS = 5  # while a consumer runs under load


async def test_snapshots_taken_while_a_consumer_is_killed_under_load_violate_no_rule(
    scene: Scene, rng: Random, seed: int
) -> None:
    # Given a log with records of every outcome, and a watch,
    await scene.publish(*mixed(rng, 1_000))
    async with watching(scene.servers.bootstrap_servers, scene.topic, scene.database, interval_s=0.2) as watch:
        async with publishing(scene, seed):
            # when a consumer is killed under load, and another one takes its place,
            first = scene.start()
            await scene.wait_for_more(500)
            await _more_snapshots(watch)
            first.kill()
            second = scene.start()
            await scene.wait_for_more(500)
            await _more_snapshots(watch)
        await scene.wait_until_drained()
        await watch.caught_up()
        await second.terminate()
    # then it has checked every event once;
    assert watch.events == len((await scene.tables()).events)
    # and no snapshot violates a rule.
    assert not watch.violations, watch.report()


async def _more_snapshots(watch: Watch) -> None:
    """Wait until more snapshots are checked: how many there are until now depends on the speed of the machine."""
    before = watch.snapshots
    await until(lambda: watch.snapshots >= before + SNAPSHOTS, f"{SNAPSHOTS} more snapshots are checked")


VIOLATED = {
    "ForgetsTheStatus": {Rule.PROJECTION},
    "SkipsANumber": {Rule.GAP_FREE},
    "MovesTheOffsetsApart": {Rule.ATOMICITY},
}


async def test_a_bug_in_a_consumer_is_reported_under_the_rule_that_it_violates(
    scene: Scene, make_database: MakeDatabase, rng: Random
) -> None:
    # Given a log, and for each bug a database and a consumer with that bug,
    assert VIOLATED.keys() == BUGS.keys()
    await scene.publish(*islice(ordinary_events(rng), 200))
    scenes = {bug: replace(scene, database=await make_database()) for bug in BUGS}
    # when each consumes the log, then the watch reports its rule.
    found = await asyncio.gather(*(_violated_rules(scenes[bug], bug) for bug in BUGS))
    assert dict(zip(BUGS, found, strict=True)) == VIOLATED


async def _violated_rules(scene: Scene, bug: str) -> set[Rule]:
    # One snapshot before and one after: what a snapshot in between contains depends on timing.
    async with watching(scene.servers.bootstrap_servers, scene.topic, scene.database, interval_s=600) as watch:
        await watch.caught_up()
        consumer = scene.start("--until-end", fault=bug, AGENT_RUNS_GROUP=f"{scene.topic}-{bug}")
        assert await consumer.wait_for_exit() == 0, consumer.output
        await watch.caught_up()
    return {violation.rule for violation in watch.violations}


NOTE = '{{"type":"{}","id":"{}","timestamp":"2026-03-01T12:00:00Z","reason":"{}"}}'
LIMIT = 1024
# What an operator's retry does after the limit was raised.
RETRY = """
    WITH letter AS (
        UPDATE dead_letters SET state = 'resolved', retries = retries + 1 RETURNING *
    ), run AS (
        UPDATE agent_runs AS r SET event_count = r.event_count + 1, updated_at = letter.record_timestamp FROM letter
    )
    INSERT INTO run_events (id, run_id, event_seq, event_type, event_data, created_at, source_partition, source_offset)
    SELECT convert_from(value, 'UTF8')::jsonb ->> 'id', convert_from(key, 'UTF8'), 2,
           convert_from(value, 'UTF8')::jsonb ->> 'type', convert_from(value, 'UTF8')::jsonb, record_timestamp,
           partition, record_offset
      FROM letter
"""


async def test_a_retried_letter_is_not_a_violation_until_its_state_is_open_again(
    scene: Scene,
) -> None:
    # Given a run whose second event was too large, and a watch that has checked it,
    values = [NOTE.format("run_started", "a1", "").replace("reason", "agent_id").replace('""', '"planner"')]
    values += [NOTE.format("note", "a2", "x" * LIMIT), NOTE.format("note", "a3", "")]
    await scene.publish(*(Message(b"r", value.encode()) for value in values))
    await scene.run_until_end(AGENT_RUNS_MAX_EVENT_BYTES=str(LIMIT))
    at = scene.servers.bootstrap_servers, scene.topic, scene.database
    async with watching(*at, max_event_bytes=LIMIT) as watch:
        await watch.caught_up()
        # when an operator retries the letter, then the new event is checked, without a violation;
        await execute(scene.database, RETRY)
        await watch.caught_up()
        assert (watch.events, watch.violations) == (3, []), watch.report()
        # when the letter is open again, then its record is in two places.
        await execute(scene.database, "UPDATE dead_letters SET state = 'open'")
        await watch.caught_up()
    assert {violation.rule for violation in watch.violations} == {Rule.UNIQUENESS}


async def test_the_watch_waits_for_an_unreachable_database_and_then_checks_what_happened_meanwhile(
    scene: Scene, rng: Random
) -> None:
    # Given a watch that reads the database through a proxy,
    async with DatabaseProxy(scene.database) as proxy:
        at = scene.servers.bootstrap_servers, scene.topic, proxy.database_url
        async with watching(*at, interval_s=0.1) as watch:
            await watch.caught_up()
            # when the database is unreachable while the log is consumed, and then its connections are reset,
            proxy.reachable.clear()
            await scene.publish(*mixed(rng, 200))
            await scene.run_until_end()
            with pytest.raises(TimeoutError):
                await watch.caught_up(deadline_s=0.5)
            proxy.reset_connections()
            proxy.reachable.set()
            # then everything is checked once the database is reachable again.
            await watch.caught_up()
    assert watch.events == len((await scene.tables()).events)
    assert not watch.violations, watch.report()


@pytest.mark.slow
async def test_the_watch_continues_after_the_broker_was_killed(
    scene_on_killable_kafka: Scene, killable_kafka: Kafka, rng: Random
) -> None:
    # Given a watch that has checked a consumed log,
    scene = scene_on_killable_kafka
    messages = mixed(rng, 200)
    await scene.publish(*messages[:100])
    await scene.run_until_end()
    at = scene.servers.bootstrap_servers, scene.topic, scene.database
    async with watching(*at, interval_s=0.1) as watch:
        await watch.caught_up()
        # when the broker is killed and started again, and more is consumed, then that is checked as well.
        killable_kafka.kill()
        await watch.caught_up()  # the tables have no new rows, so it needs nothing from the log
        await asyncio.to_thread(killable_kafka.start)
        await scene.publish(*messages[100:])
        await scene.run_until_end()
        await watch.caught_up()
    assert watch.events == len((await scene.tables()).events)
    assert not watch.violations, watch.report()


async def test_a_watch_that_cannot_continue_raises(scene: Scene) -> None:
    # Given a watch, when its tables are dropped, then the next call raises, and so does the end of its block.
    at = scene.servers.bootstrap_servers, scene.topic, scene.database
    with pytest.raises(RuntimeError, match="has ended"):  # noqa: PT012  # the block is what is tested
        async with watching(*at, interval_s=0.1) as watch:
            await execute(scene.database, "DROP SCHEMA checker CASCADE")
            with pytest.raises(RuntimeError, match="has ended"):
                await watch.caught_up()
