"""Objects that an operator has added to the tables refuse rows: the error, or a list, names each of them."""

from collections.abc import AsyncIterator
from random import Random
from typing import NamedTuple

import pytest

from consumer.errors import DataRefused, NewConnection, StaleOffsets
from consumer.ingest.ingest import store_events
from consumer.ingest.refused_values import refused_values
from consumer.ingest.transaction import Transaction
from consumer.model.claims import Claim
from consumer.postgres.added_objects import added_objects
from consumer.postgres.store import Store
from consumer.settings import DatabaseConfig
from tests.support.builders import event, rejection
from tests.support.fakes import slice_of
from tests.support.servers.clients import execute
from tests.support.servers.logins import CONSUMER, login

LONG = Random(0).randbytes(9_000).hex()  # compressed it is still longer than an index entry may be
FUNCTION = "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {} RETURN NEW; END $$;"
TRIGGER = "CREATE TRIGGER tell_trg AFTER INSERT ON run_events FOR EACH ROW EXECUTE FUNCTION tell();"
BEFORE_INSERT_OF_RUNS = TRIGGER.replace("AFTER", "BEFORE").replace("run_events", "agent_runs")
BEFORE_UPDATE = BEFORE_INSERT_OF_RUNS.replace("INSERT", "UPDATE")
BEFORE_INSERT_OF_DEAD_LETTERS = TRIGGER.replace("AFTER", "BEFORE").replace("run_events", "dead_letters")
TRIGGER_NAME = "trigger tell_trg"


class Added(NamedTuple):
    """An object, and what the error or the list of added objects says about it."""

    statements: str
    named: str
    data: object = "x"


OBJECTS = {
    "an index of long values": Added("CREATE INDEX long_idx ON run_events ((event_data ->> 'data'))", "long_idx", LONG),
    "an index that converts": Added(
        "CREATE INDEX number_idx ON run_events (((event_data ->> 'data')::integer))", "index number_idx of run_events"
    ),
    "a partial index": Added(
        "CREATE INDEX some_idx ON run_events (id) WHERE (event_data ->> 'data')::integer > 1",
        "index some_idx of run_events",
    ),
    "a unique index": Added("CREATE UNIQUE INDEX one_idx ON run_events (event_type)", "one_idx"),
    "a check": Added("ALTER TABLE run_events ADD CONSTRAINT short_check CHECK (id <> 'e1')", "short_check"),
    "a check that converts": Added(
        "ALTER TABLE run_events ADD CONSTRAINT number_check CHECK ((event_data ->> 'data')::integer > 1)",
        "constraint number_check of run_events",
    ),
    "a check of runs": Added("ALTER TABLE agent_runs ADD CONSTRAINT few_check CHECK (event_count < 2)", "few_check"),
    "a column that is NOT NULL": Added("ALTER TABLE run_events ADD COLUMN tenant text NOT NULL", "column tenant"),
    "a generated column": Added(
        "ALTER TABLE run_events ADD COLUMN n integer GENERATED ALWAYS AS ((event_data ->> 'data')::integer) STORED",
        "generated column n of run_events",
    ),
    "a domain": Added(
        "CREATE DOMAIN place AS bigint CONSTRAINT place_check CHECK (VALUE <> 1);"
        "ALTER TABLE run_events ALTER COLUMN source_offset TYPE place",
        "place_check",
    ),
    "a foreign key": Added(
        "CREATE TABLE kinds (name text PRIMARY KEY);"
        "ALTER TABLE run_events ADD CONSTRAINT kind_fkey FOREIGN KEY (event_type) REFERENCES kinds",
        "kind_fkey",
    ),
    "a trigger that raises": Added(FUNCTION.format("RAISE 'my own bug';") + TRIGGER, "PL/pgSQL function tell()"),
    "a trigger that divides by zero": Added(
        FUNCTION.format("PERFORM 1 / (NEW.event_seq - 1);") + TRIGGER, "PL/pgSQL function tell()"
    ),
    "a trigger that needs a table": Added(
        FUNCTION.format("INSERT INTO audit VALUES (1);") + TRIGGER, "PL/pgSQL function tell()"
    ),
    "a trigger with a long notification": Added(
        FUNCTION.format("PERFORM pg_notify('runs', row_to_json(NEW)::text);") + TRIGGER,
        "PL/pgSQL function tell()",
        LONG,
    ),
    "a trigger that leaves rows out": Added(
        FUNCTION.format("IF NEW.event_seq = 1 THEN RETURN NULL; END IF;") + TRIGGER.replace("AFTER", "BEFORE"),
        "trigger tell_trg",
    ),
    "a trigger that leaves new runs out": Added(FUNCTION.format("RETURN NULL;") + BEFORE_INSERT_OF_RUNS, TRIGGER_NAME),
    "a trigger that leaves updates of runs out": Added(FUNCTION.format("RETURN NULL;") + BEFORE_UPDATE, TRIGGER_NAME),
    "a trigger that keeps the old run": Added(FUNCTION.format("RETURN OLD;") + BEFORE_UPDATE, TRIGGER_NAME),
    "a trigger that changes the status": Added(
        FUNCTION.format("NEW.status := 'completed';") + BEFORE_UPDATE, TRIGGER_NAME
    ),
    "a trigger that changes the time": Added(FUNCTION.format("NEW.updated_at := now();") + BEFORE_UPDATE, TRIGGER_NAME),
    "a trigger that changes the run": Added(
        FUNCTION.format("NEW.run_id := 'other';") + TRIGGER.replace("AFTER", "BEFORE"), "trigger tell_trg"
    ),
}


@pytest.fixture
async def store(database: str) -> AsyncIterator[Store]:
    """A connection to a migrated database."""
    store = await Store.connect(DatabaseConfig(url=database), "topic")
    yield store
    store.terminate()


async def _insert(tx: Transaction, data: object) -> None:
    await store_events([event(offset=0, data=1), event(offset=1, data=data)], tx, check_existing=False)


async def test_each_object_that_refuses_a_row_is_named(store: Store) -> None:
    # The schema itself has no added objects.
    assert await added_objects(store) == []
    wrong = {}
    for kind, added in OBJECTS.items():
        # Given an object that refuses a row, when the row is inserted,
        with pytest.raises((DataRefused, NewConnection)) as caught:  # noqa: PT012  # rolls the new object back too
            async with store.transaction():
                await store.execute_script(added.statements)
                listed = await added_objects(store)
                await _insert(Transaction(store), added.data)
        # then the error or the list of added objects names the object, and the error does not quote the message.
        names = [str(caught.value), *listed]
        if not any(added.named in name for name in names) or LONG[:100] in names[0]:
            wrong[kind] = names
        # JSONB can hold the message.
        assert await refused_values([event(data=added.data).value], store) == {}
    assert wrong == {}


async def test_a_policy_that_refuses_rows_is_named(database: str) -> None:
    # Given a table with a policy, and a login that it concerns,
    await execute(database, "ALTER TABLE run_events ENABLE ROW LEVEL SECURITY")
    await execute(database, "CREATE POLICY mine ON run_events USING (true) WITH CHECK (id = 'mine')")
    async with login(database, CONSUMER) as url:
        store = await Store.connect(DatabaseConfig(url=url), "topic")
        # when rows are inserted, then they are refused, and the policy is named.
        with pytest.raises(DataRefused):
            async with store.transaction():
                await _insert(Transaction(store), "x")
        assert await added_objects(store) == ["policy mine of run_events", "row-level security of run_events"]
        store.terminate()


@pytest.mark.parametrize("statement", ["RETURN NULL;", "NEW.record_offset := 7;"])
async def test_a_dead_letter_that_a_trigger_leaves_out_or_moves_is_not_taken_for_a_repeat(
    store: Store, statement: str
) -> None:
    tx = Transaction(store)
    # Given a dead letter, and a trigger that leaves the next ones out, or changes their key,
    async with store.transaction():
        await tx.insert_dead_letters([rejection(offset=0)])
    await store.execute_script(FUNCTION.format(statement) + BEFORE_INSERT_OF_DEAD_LETTERS)
    # when it is inserted again, then it is a repeat;
    async with store.transaction():
        assert await tx.insert_dead_letters([rejection(offset=0)]) == []
    # when it is inserted with another one, then PostgreSQL's omission is an error.
    with pytest.raises(DataRefused, match="left out or changed 1 of 2 rows of dead_letters"):
        async with store.transaction():
            await tx.insert_dead_letters([rejection(offset=0), rejection(offset=1)])


@pytest.mark.parametrize("statement", ["RETURN NULL;", "RETURN OLD;"])
async def test_an_offset_that_a_trigger_leaves_where_it_is_is_not_taken_for_one_that_another_process_has_moved(
    store: Store, statement: str
) -> None:
    # Given a trigger that leaves the updates of offsets out,
    tx = Transaction(store)
    await store.fetch("begin_partitions", "topic", [0], [0])
    await store.execute_script(FUNCTION.format(statement) + BEFORE_UPDATE.replace("agent_runs", "consumer_offsets"))
    claim = Claim(0)
    # when the offset is moved, then PostgreSQL's omission is an error;
    with pytest.raises(DataRefused, match="left out or changed 1 of 1 rows of consumer_offsets"):
        async with store.transaction():
            await tx.move_offsets([slice_of(claim, 0, 3)])
    # when another process has moved it, then that is the error.
    with pytest.raises(StaleOffsets):
        async with store.transaction():
            await tx.move_offsets([slice_of(claim, 1, 3)])


async def test_values_at_the_limits_of_jsonb_are_found_among_others(store: Store) -> None:
    # Given messages of which JSONB cannot hold two: a number that is too large, and one that ends the query,
    deep = b"[" * 30_000 + b"]" * 30_000
    values = [b"1", b"1e131072", b"2", deep, b"3"]
    # when PostgreSQL checks them, then exactly these are found.
    found = await refused_values(values, store)
    assert sorted(found) == [1, 3]
    assert "stack depth" in found[3]
