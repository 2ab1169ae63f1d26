"""Dead letters are retried while commands are killed, or under load; each becomes an event once or stays open."""

import asyncio
from collections import Counter
from dataclasses import replace
from itertools import islice
from random import Random
from signal import SIGKILL
from typing import Any

from tests.checker import check
from tests.checker.watch import watching
from tests.support.consumer_process import ConsumerProcess
from tests.support.fault_injection.dead_letters import STEPS
from tests.support.messages import Message
from tests.support.scene import Scene
from tests.support.servers import MakeDatabase
from tests.support.servers.clients import fetch_value
from tests.support.workloads.background import publishing
from tests.support.workloads.mixed import large_events, ordinary_events

SMALL_BYTES, MEDIUM_BYTES, LARGE_BYTES = "1024", "3000", "1000000"
QUERIES = {
    "events": "SELECT run_id, event_seq, id, source_partition, source_offset FROM run_events",
    "runs": "SELECT id, status, event_count, updated_at, started_at, parent_run_id FROM agent_runs",
    "dead_letters": "SELECT partition, record_offset, reason, state, retries FROM dead_letters",
    "history": """
        SELECT d.partition, d.record_offset, h.action, h.reason, h.detail
          FROM dead_letter_history AS h JOIN dead_letters AS d ON d.id = h.letter_id
    """,
}


async def test_a_retry_killed_before_or_after_each_step_has_the_same_result_once_it_is_started_again(
    scene: Scene, make_database: MakeDatabase, rng: Random
) -> None:
    # Given events of which some are too large, and a conflict with one of these,
    large = large_events(rng, 3)
    conflict = Message(large[0].key, large[0].value.replace(b'"tool_result"', b'"awake_from_system"'))  # type: ignore[union-attr]
    await scene.publish(*large, *islice(ordinary_events(rng), 20), conflict)
    uninterrupted, killed = [replace(scene, database=await make_database()) for _ in range(2)]
    retried_since: dict[str, str] = {}
    for copy in (uninterrupted, killed):
        await copy.run_until_end(AGENT_RUNS_MAX_EVENT_BYTES=MEDIUM_BYTES)
        retried_since[copy.database] = str(await fetch_value(copy.database, "SELECT to_json(clock_timestamp())#>>'{}'"))
    # when the dead letters are retried, and the command is killed, each time at the next step, and started again,
    for number, step in enumerate(STEPS):
        place = f"{'after' if number % 2 else 'before'} {step} 1"
        process = _retry(killed, retried_since[killed.database], fault=f"SIGKILL {place}")
        assert await process.wait_for_exit() == -SIGKILL, f"no fault fired {place}"
        violations = await check(
            scene.servers.bootstrap_servers, scene.topic, killed.database, max_event_bytes=int(MEDIUM_BYTES)
        )
        assert not violations, "\n".join([place, *map(str, violations)])
    for copy in (uninterrupted, killed):
        exit_code = await _retry(copy, retried_since[copy.database]).wait_for_exit()
        assert exit_code == 1, "the last retry must exit with 1: the conflict is still open"
    # then the tables are those of a retry that was never killed.
    for query in QUERIES.values():
        assert await _rows(killed, query) == await _rows(uninterrupted, query)
    states = await _rows(killed, "SELECT state FROM dead_letters")
    assert states == Counter({("resolved",): 3, ("open",): 1})


async def test_concurrent_retries_and_consumers_keep_every_run_consistent(scene: Scene, seed: int) -> None:
    # Given consumers with a small size limit, under load, and a watch,
    consumers = [
        scene.start(
            AGENT_RUNS_MAX_EVENT_BYTES=SMALL_BYTES, AGENT_RUNS_BREAKER_SHARE="1", AGENT_RUNS_BATCH_RECORDS="100"
        )
        for _ in range(2)
    ]
    async with watching(
        scene.servers.bootstrap_servers, scene.topic, scene.database, max_event_bytes=int(SMALL_BYTES)
    ) as watch:
        async with publishing(scene, seed):
            await scene.wait_for_more(500)
            # when two operators retry all dead letters at the same time, in runs that still get events,
            for _ in range(2):
                exit_codes = await asyncio.gather(*(_retry(scene).wait_for_exit() for _ in range(2)))
                # 0: no dead letter was rejected again; 1: one was, and stays open. Any other code is a failure.
                assert set(exit_codes) <= {0, 1}
                await scene.wait_for_more(100)
        await scene.wait_until_drained()
        assert await _retry(scene).wait_for_exit() == 0
        await watch.caught_up()
    # then no snapshot has violated a rule, and every event is in its run.
    assert not watch.violations, watch.report()
    violations = await check(
        scene.servers.bootstrap_servers, scene.topic, scene.database, max_event_bytes=int(SMALL_BYTES)
    )
    assert not violations, "\n".join(map(str, violations[:20]))
    states = await _rows(scene, "SELECT DISTINCT state FROM dead_letters")
    assert set(states) == {("resolved",)}
    for consumer in consumers:
        await consumer.terminate()


def _retry(scene: Scene, not_tried_since: str = "", fault: str = "") -> ConsumerProcess:
    arguments = ("retry", "--all", *(["--not-tried-since", not_tried_since] if not_tried_since else []))
    settings = {"AGENT_RUNS_MAX_EVENT_BYTES": LARGE_BYTES}
    if fault:
        return scene.launch("tests.support.fault_injection.dead_letters", arguments, {"FAULT_AT": fault, **settings})
    return scene.launch("consumer", ("dead-letters", *arguments), settings)


async def _rows(scene: Scene, query: str) -> Counter[Any]:
    return Counter(await scene.rows(query))
