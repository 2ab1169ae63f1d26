"""An object that an operator has added to the tables refuses rows: no record is at fault, and none is lost."""

from dataclasses import replace

import pytest

from consumer.errors import OperatorNeeded
from deploy.local.ports import free_port
from tests.support.foreign_producer import key_of_partition
from tests.support.health import wait_until_healthy, wait_until_unhealthy
from tests.support.messages import Message, event, event_with_literal
from tests.support.scene import PARTITIONS, Scene
from tests.support.servers.clients import execute, fetch_value
from tests.support.servers.logins import CONSUMER, login
from tests.support.waiting import until

FIRST, SECOND, OTHER = (key_of_partition(partition, PARTITIONS) for partition in range(PARTITIONS))
STORED = "SELECT count(*) FROM run_events"
NUMBERS_ONLY = "CREATE INDEX number_idx ON run_events (((event_data ->> 'data')::integer))"
NO_DEAD_LETTERS = "ALTER TABLE dead_letters ADD CONSTRAINT none_check CHECK (reason <> 'not_json')"
REFUSE_PARTITION_0 = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.partition = 0 THEN {}; END IF;
        RETURN NEW;
    END
    $$;
    CREATE TRIGGER refuse_trg BEFORE INSERT ON consumer_offsets FOR EACH ROW EXECUTE FUNCTION refuse();
"""
SHOUT = """
    CREATE FUNCTION shout(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN upper($1); END $$;
    REVOKE EXECUTE ON FUNCTION shout FROM PUBLIC;
"""
TOO_LARGE_A_NUMBER = event_with_literal("too-large", b"1e131072")


def number(event_id: str) -> bytes:
    return event(event_id, data=1)


async def test_partitions_halt_at_the_rows_that_added_objects_refuse_and_continue_without_the_objects(
    scene: Scene,
) -> None:
    # Given a consumer, an index that refuses events without a number, and a check that refuses dead letters,
    port = free_port()
    consumer = scene.start(AGENT_RUNS_HTTP_PORT=str(port))
    await consumer.wait_until_assigned()
    await execute(scene.database, NUMBERS_ONLY)
    await execute(scene.database, NO_DEAD_LETTERS)
    # when one partition has an event that the index refuses, a second one an invalid record, and a third one neither,
    await scene.publish(
        *(Message(FIRST, number(f"before-{n}")) for n in range(30)),
        Message(FIRST, TOO_LARGE_A_NUMBER),
        Message(FIRST, event("text", data="text")),
        Message(FIRST, number("behind")),
        Message(SECOND, number("before")),
        Message(SECOND, b"no JSON"),
        Message(SECOND, number("behind")),
        *(Message(OTHER, number(f"other-{n}")) for n in range(30)),
    )
    # then the two halt, with the offsets of these records and the names of the objects,
    await wait_until_unhealthy(port, "partition 0 is halted: PostgreSQL refuses to store the record at offset 31")
    await wait_until_unhealthy(port, "index number_idx of run_events")
    await wait_until_unhealthy(port, "partition 1 is halted: PostgreSQL refuses to store the record at offset 1")
    await wait_until_unhealthy(port, "none_check")
    # what comes before these records is stored, and the third partition too;
    await until(lambda: _has_events(scene, 30 + 1 + 30), "everything else is stored")
    # and only the message that JSONB cannot hold is a dead letter.
    assert await scene.dead_letters() == [(30, "store_rejected")]
    # When the objects are dropped, then both partitions continue by themselves.
    await execute(scene.database, "DROP INDEX number_idx")
    await execute(scene.database, "ALTER TABLE dead_letters DROP CONSTRAINT none_check")
    await scene.wait_until_drained()
    await wait_until_healthy(port)
    await scene.assert_consistent()
    assert await scene.dead_letters() == [(30, "store_rejected"), (1, "not_json")]
    await consumer.terminate()


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("RAISE 'not this one'", r"PL/pgSQL function refuse\(\)"),
        ("RETURN NULL", r"left out the rows of partitions \[0\]"),
    ],
)
async def test_a_partition_whose_first_offset_a_trigger_refuses_halts_until_it_is_dropped(
    scene: Scene, statement: str, reason: str
) -> None:
    # Given a new database, and a trigger that refuses the offset of one partition, or leaves it out,
    await execute(scene.database, REFUSE_PARTITION_0.format(statement))
    await scene.publish(Message(FIRST, event("a")))
    # when a consumer starts, then its partitions halt, and the reason names the trigger's function, or what is missing.
    with pytest.raises(OperatorNeeded, match=f"offset at which the partition starts.*{reason}"):
        await scene.consume()
    # When the trigger is dropped, then the next consumer stores everything.
    await execute(scene.database, "DROP TRIGGER refuse_trg ON consumer_offsets")
    await scene.consume()
    await scene.assert_consistent(dead_letters=False)


@pytest.mark.parametrize(
    "added",
    [
        "ALTER TABLE run_events ADD CONSTRAINT shout_check CHECK (shout(id) <> '')",
        "CREATE INDEX shout_idx ON run_events (shout(id))",
    ],
)
async def test_a_partition_halts_while_the_login_may_not_execute_the_function_of_an_added_object(
    scene: Scene, added: str
) -> None:
    # Given an object whose function the login of the consumer may not execute,
    await execute(scene.database, SHOUT)
    await execute(scene.database, added)
    await scene.publish(Message(FIRST, event("a")))
    async with login(scene.database, CONSUMER) as url:
        # when it consumes, then the partition halts, and the reason has the remedy.
        with pytest.raises(OperatorNeeded, match=r"offset 0: permission denied for function shout: grant .*shout"):
            await replace(scene, database=url).consume()
        # With the right, it continues.
        await execute(scene.database, f"GRANT EXECUTE ON FUNCTION shout TO {CONSUMER}")
        await replace(scene, database=url).consume()
    await scene.assert_consistent(dead_letters=False)


async def test_a_dead_letter_whose_row_an_added_object_refuses_stays_unchanged_when_it_is_retried(
    scene: Scene,
) -> None:
    # Given a dead letter of a message that was too large, and an index that refuses its event,
    await scene.publish(Message(FIRST, event("large", data="x" * 1100)))
    await scene.consume(AGENT_RUNS_MAX_EVENT_BYTES="1024")
    await execute(scene.database, NUMBERS_ONLY)
    # when it is retried, then it stays open with its reason, and the output names the error.
    blocked = await scene.command("dead-letters", "retry", "--all")
    assert (blocked.exit_code, "1 blocked" in blocked.output) == (1, True), blocked.output
    assert "invalid input syntax for type integer" in blocked.output
    assert await scene.rows("SELECT reason, state, retries FROM dead_letters") == [("too_large", "open", 0)]
    # When the index is dropped, then a retry stores the event.
    await execute(scene.database, "DROP INDEX number_idx")
    stored = await scene.command("dead-letters", "retry", "--all")
    assert (stored.exit_code, "1 stored" in stored.output) == (0, True), stored.output


async def _has_events(scene: Scene, events: int) -> bool:
    return await fetch_value(scene.database, STORED) == events
