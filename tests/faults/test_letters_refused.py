"""The table of dead letters takes none: what should become a letter is not lost, and neither is anything behind it."""

import asyncpg

from deploy.local.ports import free_port
from tests.faults.conftest import PARTITIONS
from tests.support.corpus import Message
from tests.support.foreign_producer import key_of_partition
from tests.support.health import health
from tests.support.messages import event
from tests.support.scene import Scene
from tests.support.servers.clients import execute, fetch_value
from tests.support.servers.logins import CONSUMER, login
from tests.support.waiting import until

OPERATOR = 3
BAD, OTHER = (key_of_partition(partition, PARTITIONS) for partition in (0, 2))  # of one lane
STORED = "SELECT count(*) FROM run_events"


async def test_while_the_letters_are_locked_their_partition_waits_and_says_so_and_the_others_go_on(
    scene: Scene,
) -> None:
    # Given a consumer at work, and somebody who has locked the dead letters,
    port = free_port()
    consumer = scene.start(AGENT_RUNS_HTTP_PORT=str(port), AGENT_RUNS_STALL_S="1")
    await consumer.consumes()
    stranger = await asyncpg.connect(scene.database)
    async with stranger.transaction():
        await stranger.execute("LOCK TABLE dead_letters IN SHARE MODE")
        # when a record is no event, with others behind it and beside it,
        scene.publish([Message(BAD, b"no JSON"), Message(BAD, event("behind"))])
        await consumer.says("Blocked")
        scene.publish([Message(OTHER, event(f"beside-{number}")) for number in range(100)])
        # then those beside it are stored, and health says what stands still.
        await until(lambda: _stored(scene, 100), "the other partition is stored")
        await until(lambda: _is_unwell(port, "partition 0 has made no progress"), "health is red")
    # And when the table is free, it goes on by itself: nothing is lost, and nothing is blamed that is not to blame.
    await scene.drained()
    await scene.assert_in_order()
    assert await _letters(scene) == [("not_json", b"no JSON")]
    await until(lambda: _is_well(port), "health is green")
    await consumer.terminated()
    await stranger.close()


async def test_without_the_right_to_write_letters_a_consumer_ends_and_one_that_has_it_again_goes_on(
    scene: Scene,
) -> None:
    # Given a role from which somebody took the right to write dead letters,
    await execute(scene.database, f"REVOKE INSERT ON dead_letters FROM {CONSUMER}")
    scene.publish([Message(BAD, event("before")), Message(BAD, b"no JSON"), Message(BAD, event("behind"))])
    async with login(scene.database, CONSUMER) as url:
        # when a record is no event, then the consumer stores nothing of that batch, and ends for an operator to see.
        consumer = scene.start(DATABASE_URL=url)
        assert await consumer.ended() == OPERATOR
        assert "permission denied for table dead_letters" in consumer.output
        assert (await scene.stored(), await fetch_value(scene.database, STORED)) == (0, 0)
        # And when it is given back, then the next one stores everything.
        await execute(scene.database, f"GRANT INSERT ON dead_letters TO {CONSUMER}")
        consumer = scene.start("--until-end", DATABASE_URL=url)
        assert await consumer.ended() == 0
    await scene.assert_in_order()
    assert await _letters(scene) == [("not_json", b"no JSON")]


async def _stored(scene: Scene, events: int) -> bool:
    return await fetch_value(scene.database, STORED) == events


async def _letters(scene: Scene) -> list[tuple[str, bytes | None]]:
    return [(letter.reason, letter.value) for letter in (await scene.tables()).dead_letters]


async def _is_unwell(port: int, problem: str) -> bool:
    status, body = await health(port)
    return status == 503 and problem in body


async def _is_well(port: int) -> bool:
    return (await health(port))[0] == 200
