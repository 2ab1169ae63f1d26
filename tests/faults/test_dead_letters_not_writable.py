"""The table of dead letters cannot be written: neither the rejected record nor the ones behind it are lost."""

from deploy.local.ports import free_port
from tests.support.foreign_producer import key_of_partition
from tests.support.health import wait_until_healthy, wait_until_unhealthy
from tests.support.messages import Message, event
from tests.support.scene import PARTITIONS, Scene
from tests.support.servers.clients import Connection, execute, fetch_value
from tests.support.servers.logins import CONSUMER, login
from tests.support.waiting import until

OPERATOR_NEEDED = 3
WRONG_SETTINGS = 2
BAD, OTHER = (key_of_partition(partition, PARTITIONS) for partition in (0, 2))  # of the same lane
STORED = "SELECT count(*) FROM run_events"


async def test_while_the_dead_letters_are_locked_their_partition_is_unhealthy_and_the_others_continue(
    scene: Scene, other_session: Connection
) -> None:
    # Given a consumer with partitions, and a session that has locked the dead letters,
    port = free_port()
    consumer = scene.start(AGENT_RUNS_HTTP_PORT=str(port), AGENT_RUNS_STALL_S="1")
    await consumer.wait_until_assigned()
    async with other_session.transaction():
        await other_session.execute("LOCK TABLE dead_letters IN SHARE MODE")
        # when a record is invalid, with others behind it and in another partition,
        await scene.publish(Message(BAD, b"no JSON"), Message(BAD, event("behind")))
        await consumer.wait_for_output("Blocked")
        await scene.publish(*(Message(OTHER, event(f"beside-{number}")) for number in range(100)))
        # then those in the other partition are stored, and health names the one that waits.
        await until(lambda: _has_events(scene, 100), "the other partition is stored")
        await wait_until_unhealthy(port, "partition 0 has made no progress")
    # And when the lock is released, the consumer continues: nothing is lost, and only that record is a dead letter.
    await scene.wait_until_drained()
    await scene.assert_consistent()
    assert await _dead_letters(scene) == [("not_json", b"no JSON")]
    await wait_until_healthy(port)
    await consumer.terminate()


async def test_a_consumer_that_loses_the_right_to_write_dead_letters_exits_and_all_is_stored_once_it_has_it(
    scene: Scene,
) -> None:
    # Given a consumer at work, whose role loses the right to write dead letters,
    async with login(scene.database, CONSUMER) as url:
        consumer = scene.start(DATABASE_URL=url)
        await consumer.wait_until_assigned()
        await execute(scene.database, f"REVOKE INSERT ON dead_letters FROM {CONSUMER}")
        # when a record is invalid, then the consumer stores nothing of that batch, and exits for an operator.
        await scene.publish(Message(BAD, b"no JSON"), Message(BAD, event("before")), Message(BAD, event("behind")))
        assert await consumer.wait_for_exit() == OPERATOR_NEEDED
        assert "permission denied for table dead_letters" in consumer.output
        assert (await scene.consumed_records(), await fetch_value(scene.database, STORED)) == (0, 0)
        # Without the right, no consumer starts; when it is granted again, the next consumer stores everything.
        consumer = scene.start(DATABASE_URL=url)
        assert await consumer.wait_for_exit() == WRONG_SETTINGS
        await execute(scene.database, f"GRANT INSERT ON dead_letters TO {CONSUMER}")
        consumer = scene.start("--until-end", DATABASE_URL=url)
        assert await consumer.wait_for_exit() == 0
    await scene.assert_consistent()
    assert await _dead_letters(scene) == [("not_json", b"no JSON")]


async def _has_events(scene: Scene, events: int) -> bool:
    return await fetch_value(scene.database, STORED) == events


async def _dead_letters(scene: Scene) -> list[tuple[str, bytes | None]]:
    return [(letter.reason, letter.value) for letter in (await scene.tables()).dead_letters]
