"""Dead letters that are tried again while all goes wrong: each becomes an event once, or stays a letter."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random
from signal import SIGKILL
from typing import Any

import asyncpg

from tests.checker import check
from tests.checker.watch import watching
from tests.support.consumer_process import ConsumerProcess
from tests.support.corpus import Message
from tests.support.fault_injection.letters import STEPS
from tests.support.scene import Scene
from tests.support.servers.clients import fetch_value
from tests.support.workloads.background import load
from tests.support.workloads.troubled import bulky, ordinary

SMALL, MEDIUM, LARGE = "1024", "3000", "1000000"
BREAKABLE = "tests.support.fault_injection.letters"
EVERYTHING = {
    "events": "SELECT run_id, event_seq, id, source_partition, source_offset FROM run_events",
    "runs": "SELECT id, status, event_count, updated_at, started_at, parent_run_id FROM agent_runs",
    "letters": "SELECT partition, record_offset, reason, state, retries FROM dead_letters",
    "history": """
        SELECT d.partition, d.record_offset, h.action, h.reason, h.detail
          FROM dead_letter_history AS h JOIN dead_letters AS d ON d.id = h.letter_id
    """,
}


async def test_a_retry_killed_at_any_step_and_started_again_ends_as_one_that_nothing_happened_to(
    scene: Scene, make_database: Callable[[], Awaitable[str]], rng: Random
) -> None:
    # Given events, some too large at first, and another event of an id that is taken by then,
    large = bulky(rng, 3)
    conflict = Message(large[0].key, large[0].value.replace(b'"tool_result"', b'"awake_from_system"'))  # type: ignore[union-attr]
    scene.publish([*large, *(message for message, _ in zip(ordinary(rng), range(20), strict=False)), conflict])
    undisturbed, killed = [replace(scene, database=await make_database()) for _ in range(2)]
    begun: dict[str, str] = {}
    for each in (undisturbed, killed):
        await each.consume(AGENT_RUNS_MAX_EVENT_BYTES=MEDIUM)
        begun[each.database] = str(await fetch_value(each.database, "SELECT to_json(clock_timestamp())#>>'{}'"))
    # when they are tried, and the command is killed, each time one step further on, and started again,
    for number, step in enumerate(STEPS):
        place = f"{'after' if number % 2 else 'before'} {step} 1"
        process = _retry(killed, begun[killed.database], module=BREAKABLE, FAULT_AT=f"SIGKILL {place}")
        if await process.ended() == -SIGKILL:
            violations = await check(
                scene.servers.bootstrap_servers, scene.topic, killed.database, max_event_bytes=int(MEDIUM)
            )
            assert not violations, "\n".join([place, *map(str, violations)])
    for each in (undisturbed, killed):
        assert await _retry(each, begun[each.database]).ended() == 1, "the conflict stays open"
    # then everything is as if nothing had happened.
    for query in EVERYTHING.values():
        assert await _rows(killed, query) == await _rows(undisturbed, query)
    states = await _rows(killed, "SELECT state FROM dead_letters")
    assert states == Counter({("resolved",): 3, ("open",): 1})


async def test_retries_beside_consumers_under_load_append_to_the_same_runs(scene: Scene, seed: int) -> None:
    # Given consumers that refuse what is large, under load, and somebody who watches,
    consumers = [
        scene.start(AGENT_RUNS_MAX_EVENT_BYTES=SMALL, AGENT_RUNS_BREAKER_SHARE="1", AGENT_RUNS_BATCH_RECORDS="100")
        for _ in range(2)
    ]
    async with watching(
        scene.servers.bootstrap_servers, scene.topic, scene.database, max_event_bytes=int(SMALL)
    ) as watch:
        async with load(scene, seed):
            await scene.stores_more(500)
            # when two operators at once try all letters again, in the very runs that go on,
            for _ in range(2):
                await asyncio.gather(*(_retry(scene).ended() for _ in range(2)))
                await scene.stores_more(100)
        await scene.drained()
        assert await _retry(scene).ended() == 0
        await watch.caught_up()
    # then at no moment was anything wrong, and every event is in its run.
    assert not watch.violations, watch.report()
    violations = await check(scene.servers.bootstrap_servers, scene.topic, scene.database, max_event_bytes=int(SMALL))
    assert not violations, "\n".join(map(str, violations[:20]))
    states = await _rows(scene, "SELECT DISTINCT state FROM dead_letters")
    assert set(states) == {("resolved",)}
    for consumer in consumers:
        await consumer.terminated()


def _retry(scene: Scene, begun: str = "", module: str = "", **settings: str) -> ConsumerProcess:
    since = ["--not-tried-since", begun] if begun else []
    command = ["retry", "--all", *since] if module else ["dead-letters", "retry", "--all", *since]
    environment = {
        "DATABASE_URL": scene.database,
        "AGENT_RUNS_TOPIC": scene.topic,
        "AGENT_RUNS_MAX_EVENT_BYTES": LARGE,
        **settings,
    }
    log = scene.directory / f"retry-{len(list(scene.directory.iterdir()))}.log"
    return ConsumerProcess(module or "consumer", tuple(command), environment, log)


async def _rows(scene: Scene, query: str) -> Counter[Any]:
    connection = await asyncpg.connect(scene.database)
    try:
        return Counter(tuple(row) for row in await connection.fetch(query))
    finally:
        await connection.close()
