"""Limits of time and memory that an operator has set for PostgreSQL's sessions."""

from deploy.local.ports import free_port
from tests.support.foreign_producer import key_of_partition
from tests.support.health import wait_until_healthy, wait_until_unhealthy
from tests.support.messages import Message, event, events_of
from tests.support.scene import PARTITIONS, Scene
from tests.support.servers.clients import execute
from tests.support.servers.logins import CONSUMER, login
from tests.support.waiting import until

KEY = key_of_partition(0, PARTITIONS)
SLOW_STATEMENTS = """
    CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_sleep(0.5);
        RETURN NULL;
    END
    $$;
    CREATE TRIGGER be_slow AFTER INSERT ON run_events FOR EACH STATEMENT EXECUTE FUNCTION be_slow();
"""
# As a timeout does that a COPY of more than so many events, or of a certain event, exceeds.
LIMIT = """
    CREATE OR REPLACE FUNCTION exceed_limit() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (SELECT count(*) > 5 OR bool_or(id = 'slow') FROM new_rows) THEN
            RAISE EXCEPTION 'canceling statement due to statement timeout' USING ERRCODE = '57014';
        END IF;
        RETURN NULL;
    END
    $$;
    CREATE TRIGGER exceed_limit AFTER INSERT ON run_events REFERENCING NEW TABLE AS new_rows
        FOR EACH STATEMENT EXECUTE FUNCTION exceed_limit();
"""
# Each is shorter than a transaction of the test, or changes what its statements see.
SETTINGS_OF_ROLE = {
    "statement_timeout": "200ms",
    "transaction_timeout": "200ms",
    "idle_session_timeout": "200ms",
    "idle_in_transaction_session_timeout": "200ms",
    "lock_timeout": "1ms",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
}


async def test_the_timeouts_of_a_role_do_not_end_the_consumers_transactions(scene: Scene) -> None:
    # Given a login with timeouts that are shorter than a transaction,
    await execute(scene.database, SLOW_STATEMENTS)
    async with login(scene.database, CONSUMER, SETTINGS_OF_ROLE) as url:
        consumer = scene.start(DATABASE_URL=url)
        # when it stores events, then the timeouts do not apply to it.
        await scene.publish(*events_of("run", "a", "b"))
        await scene.wait_for_events("run", "a", "b")
        assert consumer.count("batch_failed") == 0, consumer.output
        await consumer.terminate()


async def test_a_batch_that_exceeds_a_timeout_is_stored_in_parts_and_a_record_that_does_halts_its_partition(
    scene: Scene,
) -> None:
    # Given a server that ends statements with more than five events, and those with a certain event,
    await execute(scene.database, LIMIT)
    await scene.publish(*(Message(KEY, event(f"event-{n}")) for n in range(60)))
    # when a consumer stores a backlog in batches of twenty,
    port = free_port()
    consumer = scene.start(AGENT_RUNS_HTTP_PORT=str(port))
    # then it stores it in smaller batches.
    await scene.wait_until_drained()
    assert 0 < consumer.count("batch_failed") < 20, consumer.output
    # When a record exceeds the limit alone, then its partition halts, and the reason names the limit.
    await scene.publish(*(Message(KEY, event(event_id)) for event_id in ("before", "slow", "behind")))
    await wait_until_unhealthy(port, "the record at offset 61 exceeds a limit: canceling statement due to statement")
    await until(lambda: _last_is(scene, "before"), "the record before it is stored")
    # And when the limit is gone, then the partition continues without a restart.
    await execute(scene.database, "DROP TRIGGER exceed_limit ON run_events")
    await scene.wait_until_drained()
    await wait_until_healthy(port)
    await scene.assert_consistent(dead_letters=False)
    await consumer.terminate()


async def _last_is(scene: Scene, event_id: str) -> bool:
    return await scene.rows("SELECT id FROM run_events ORDER BY source_offset DESC LIMIT 1") == [(event_id,)]
