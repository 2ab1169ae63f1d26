"""The watch beside a real consumer under load: silent while it is honest, and not when it isn't."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import islice
from random import Random

import asyncpg
import pytest

from deploy.local import Kafka
from tests.checker import Rule, watching
from tests.support.corpus import Message
from tests.support.fault_injection.bugs import BUGS
from tests.support.proxy.proxy import DatabaseProxy
from tests.support.scene import Scene
from tests.support.workloads.background import load
from tests.support.workloads.troubled import ordinary, troubled


async def test_snapshots_taken_while_a_consumer_is_killed_under_load_break_no_rule(
    scene: Scene, rng: Random, seed: int
) -> None:
    # Given a log with everything in it, and somebody who watches,
    scene.publish(troubled(rng, 1_000))
    async with watching(scene.servers.bootstrap_servers, scene.topic, scene.database, interval_s=0.2) as watch:
        async with load(scene, seed):
            # when a consumer is killed under load, and another one takes over,
            first = scene.start()
            await scene.stores_more(500)
            first.kill()
            second = scene.start()
            await scene.stores_more(500)
        await scene.drained()
        await watch.caught_up()
        await second.terminated()
    # then many snapshots have been judged, and everything once that there is to judge;
    assert watch.snapshots > 10
    assert watch.events == len((await scene.tables()).events)
    # and no rule was broken at any moment.
    assert not watch.violations, watch.report()


BROKEN = {
    "ForgetsTheStatus": {Rule.PROJECTION},
    "SkipsANumber": {Rule.GAP_FREE},
    "MovesTheOffsetsApart": {Rule.ATOMICITY},
}


async def test_a_bug_in_a_consumer_is_seen_under_the_rule_that_it_breaks(
    scene: Scene, make_database: Callable[[], Awaitable[str]], rng: Random
) -> None:
    # Given a log, and for each bug a database and a consumer that has it,
    assert BROKEN.keys() == BUGS.keys()
    scene.publish(islice(ordinary(rng), 200))
    scenes = {bug: replace(scene, database=await make_database()) for bug in BUGS}
    # when each consumes, then each is seen breaking its rule.
    found = await asyncio.gather(*(_rules_broken(scenes[bug], bug) for bug in BUGS))
    assert dict(zip(BUGS, found, strict=True)) == BROKEN


async def _rules_broken(scene: Scene, bug: str) -> set[Rule]:
    # One snapshot at the beginning and one at the end: what one in between sees is a matter of luck.
    async with watching(scene.servers.bootstrap_servers, scene.topic, scene.database, interval_s=600) as watch:
        await watch.caught_up()
        consumer = scene.start("--until-end", fault=bug, AGENT_RUNS_GROUP=f"{scene.topic}-{bug}")
        assert await consumer.ended() == 0, consumer.output
        await watch.caught_up()
    return {violation.rule for violation in watch.violations}


NOTE = '{{"type":"{}","id":"{}","timestamp":"2026-03-01T12:00:00Z","reason":"{}"}}'
LIMIT = 1024
# What an operator's retry does, after the limit was raised.
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


async def test_a_retried_letter_is_no_violation_until_it_is_said_to_be_open_again(
    scene: Scene,
) -> None:
    # Given a run of which the second event was too large, and somebody who has seen that,
    values = [NOTE.format("run_started", "a1", "").replace("reason", "agent_id").replace('""', '"planner"')]
    values += [NOTE.format("note", "a2", "x" * LIMIT), NOTE.format("note", "a3", "")]
    scene.publish(Message(b"r", value.encode()) for value in values)
    await scene.consume(AGENT_RUNS_MAX_EVENT_BYTES=str(LIMIT))
    at = scene.servers.bootstrap_servers, scene.topic, scene.database
    async with watching(*at, max_event_bytes=LIMIT) as watch:
        await watch.caught_up()
        # when an operator retries its letter, then the new event is judged, and there is nothing to say against it;
        await _execute(scene, RETRY)
        await watch.caught_up()
        assert (watch.events, watch.violations) == (3, []), watch.report()
        # when the letter is then open again, then its record is in two places.
        await _execute(scene, "UPDATE dead_letters SET state = 'open'")
        await watch.caught_up()
    assert {violation.rule for violation in watch.violations} == {Rule.UNIQUENESS}


async def test_the_watch_waits_for_servers_that_are_away_and_sees_what_happened_meanwhile(
    scene: Scene, rng: Random
) -> None:
    # Given somebody who watches by way of a wire to the database,
    async with DatabaseProxy(scene.database) as proxy:
        at = scene.servers.bootstrap_servers, scene.topic, proxy.database_url
        async with watching(*at, interval_s=0.1) as watch:
            await watch.caught_up()
            # when the wire is silent, and then cut, while the log is consumed,
            proxy.audible.clear()
            scene.publish(troubled(rng, 200))
            await scene.consume()
            with pytest.raises(TimeoutError):
                await watch.caught_up(deadline_s=0.5)
            proxy.cut()
            proxy.audible.set()
            # then all of it is judged once the database is there again.
            await watch.caught_up()
    assert watch.events == len((await scene.tables()).events)
    assert not watch.violations, watch.report()


@pytest.mark.slow
async def test_the_watch_reads_on_after_the_broker_was_killed(
    scene_of_mortal_kafka: Scene, mortal_kafka: Kafka, rng: Random
) -> None:
    # Given somebody who watches, and has seen a log consumed,
    scene = scene_of_mortal_kafka
    messages = troubled(rng, 200)
    scene.publish(messages[:100])
    await scene.consume()
    at = scene.servers.bootstrap_servers, scene.topic, scene.database
    async with watching(*at, interval_s=0.1) as watch:
        await watch.caught_up()
        # when the broker is killed, comes back, and more is consumed, then that is judged as well.
        mortal_kafka.kill()
        await watch.caught_up()  # nothing new is in the tables, and so nothing is missing in the log
        await asyncio.to_thread(mortal_kafka.start)
        scene.publish(messages[100:])
        await scene.consume()
        await watch.caught_up()
    assert watch.events == len((await scene.tables()).events)
    assert not watch.violations, watch.report()


async def test_a_watch_that_cannot_go_on_says_so(scene: Scene) -> None:
    # Given a watch, when its tables are gone, then whoever asks it is told that it has ended, and so is its block.
    at = scene.servers.bootstrap_servers, scene.topic, scene.database
    with pytest.raises(RuntimeError, match="has ended"):  # noqa: PT012  # the block is what is tested
        async with watching(*at, interval_s=0.1) as watch:
            await _execute(scene, "DROP SCHEMA checker CASCADE")
            with pytest.raises(RuntimeError, match="has ended"):
                await watch.caught_up()


async def _execute(scene: Scene, statement: str) -> None:
    connection = await asyncpg.connect(scene.database)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
