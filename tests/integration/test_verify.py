"""`verify` finds changes to the tables that the service did not make; `rebuild` repairs those of derived columns."""

import asyncio
import json
import re
from typing import Any, NamedTuple

import pytest

from consumer.postgres.session import Session
from consumer.postgres.store import Store
from consumer.settings import read_config
from consumer.verify.pages import Selection
from consumer.verify.runs import verify_runs
from tests.support.messages import Message, event, events_of
from tests.support.scene import COMMAND_S, Scene
from tests.support.servers.clients import connect, execute
from tests.support.waiting import until
from tests.support.workloads.background import publishing


class Damage(NamedTuple):
    """A statement that damages one run or one record.

    Attributes:
        statement: `{run}` stands for the id of the run that is damaged.
        kind: the kind of difference that `verify --topic` must report for the run, or for one of its records.
        is_repaired: whether `rebuild` must repair it.
    """

    name: str
    statement: str
    kind: str
    is_repaired: bool = False


def column(name: str, value: str, kind: str = "projection", *, is_repaired: bool = True) -> Damage:
    """A changed column of agent_runs."""
    statement = f"UPDATE agent_runs SET {name} = {value} WHERE id = '{{run}}'"
    return Damage(f"{name} = {value}", statement, kind, is_repaired)


def event_column(name: str, value: str, kind: str) -> Damage:
    """A changed column of the second of three events."""
    where = "run_id = '{run}' AND event_seq = 1"
    return Damage(f"another {name} of an event", f"UPDATE run_events SET {name} = {value} WHERE {where}", kind)


def letter_column(name: str, value: str, kind: str = "letter") -> Damage:
    """A changed column of dead_letters."""
    return Damage(f"a letter's {name}", f"UPDATE dead_letters SET {name} = {value} WHERE key = '{{run}}'", kind)


DAMAGES = [
    column("status", "'failed'"),
    column("agent_id", "'other'"),
    column("session_id", "NULL"),
    column("parent_run_id", "'intact'"),
    column("parent_run_id", "NULL"),
    column("event_count", "2", "beyond_count"),
    column("event_count", "4", is_repaired=False),  # or the last event was deleted
    column("dropped_events", "7"),
    column("completed_by_tool", "true"),
    column("open_questions", """'[{{"id": "q", "tool_name": "ask_human"}}]'"""),
    column("answered_questions", """'[{{"id": "q", "tool_name": "ask_human"}}]'"""),
    column("labels", """'{{"version": "2"}}'"""),
    *(
        column(name, f"{name} + interval '1 s'")
        for name in ("created_at", "updated_at", "status_changed_at", "started_at")
    ),
    event_column("id", "'other'", "other_id"),
    event_column("event_type", "'run_failed'", "other_type"),
    event_column("parent_event_id", "'other'", "other_parent"),
    event_column("event_data", "event_data - 'tool'", "unreadable_event"),
    event_column("event_data", """jsonb_set(event_data, '{{data}}', '"other"')""", "altered"),
    Damage(
        "a run_started without its agent",
        "UPDATE run_events SET event_data = event_data - 'agent_id' WHERE run_id = '{run}' AND event_seq = 0",
        "unreadable_event",
    ),
    event_column("raw", "'{{}}'", "other_raw"),
    event_column("created_at", "created_at - interval '1 s'", "altered"),
    *(column(name, f"'{time}'") for name in ("created_at", "updated_at") for time in ("infinity", "20000-01-01Z")),
    *(event_column("created_at", f"'{time}'", "impossible_time") for time in ("infinity", "-infinity", "20000-01-01Z")),
    Damage(
        "a last event of no time",
        "UPDATE run_events SET created_at = 'infinity' WHERE run_id = '{run}' AND event_seq = 2",
        "impossible_time",
    ),
    event_column("source_offset", "source_offset + 2", "order"),
    Damage(
        "two sequence numbers exchanged",
        """UPDATE run_events SET event_seq = 9 WHERE run_id = '{run}' AND event_seq = 1;
           UPDATE run_events SET event_seq = 1 WHERE run_id = '{run}' AND event_seq = 2;
           UPDATE run_events SET event_seq = 2 WHERE run_id = '{run}' AND event_seq = 9""",
        "order",
    ),
    Damage("an event less", "DELETE FROM run_events WHERE run_id = '{run}' AND event_seq = 1", "sequence_gap"),
    Damage("no last event", "DELETE FROM run_events WHERE run_id = '{run}' AND event_seq = 2", "projection"),
    Damage("no events", "DELETE FROM run_events WHERE run_id = '{run}'", "projection"),
    Damage("no run", "DELETE FROM agent_runs WHERE id = '{run}'", "missing"),
    Damage(
        "no run, with triggers disabled",
        """SET session_replication_role = replica; DELETE FROM agent_runs WHERE id = '{run}'""",
        "no_run",
    ),
    Damage(
        "an event more",
        """INSERT INTO run_events SELECT 'made-up', run_id, NULL, 3, event_type, event_data || '{{"id": "made-up"}}',
                                         created_at, source_partition, source_offset
             FROM run_events WHERE run_id = '{run}' AND event_seq = 2""",
        "beyond_count",
    ),
    Damage("a letter less", "DELETE FROM dead_letters WHERE key = '{run}'", "missing"),
    letter_column("value", "'other'", "altered"),
    letter_column("state", "'discarded'"),
    letter_column("state", "'resolved'"),
    letter_column("retries", "1"),
    letter_column("reason", "'unreadable'"),
    letter_column("updated_at", "updated_at - interval '1 s'"),
    letter_column("headers", """'["name"]'"""),
    letter_column("record_offset", "1000000"),
    Damage(
        "a history of a letter",
        """INSERT INTO dead_letter_history (letter_id, action, detail)
           SELECT id, 'resolved', '' FROM dead_letters WHERE key = '{run}'""",
        "letter",
    ),
    event_column("source_offset", "1000000", "beyond_offset"),
]


RECORDS_OF_A_RUN = 4
VERIFICATIONS = 8  # while a consumer stores events
NO_FINGERPRINT = "last_offset = NULL, last_timestamp = NULL"


def run_of(number: int) -> str:
    return f"damaged-{number}"


def messages_of(run_id: str) -> list[Message]:
    """A run with three events, with a parent and a session, followed by a record that becomes a dead letter."""
    started = event(f"{run_id}-start", "run_started", session_id="session", parent_run_id=f"parent-of-{run_id}")
    key = run_id.encode()
    return [Message(key, started), *events_of(run_id, "a"), Message(key, event("b", data="\0")), Message(key, b"{")]


@pytest.fixture
async def consumed(scene: Scene) -> Scene:
    """A scene with a run for each damage and one more, with a repeat and a conflict, all consumed."""
    runs = [run_of(number) for number in range(len(DAMAGES))]
    await scene.publish(
        *(message for run_id in [*runs, "intact"] for message in messages_of(run_id)),
        *events_of("intact", "a"),
        Message(b"intact", event("a", data="other")),
        # JSONB cannot store this name; verify folds it as it is in event_data.
        Message(b"unstorable-name", event("a", "tool_requested", tool_name="\0", role="waits")),
    )
    await scene.consume()
    return scene


async def document(scene: Scene, *arguments: str, exit_code: int) -> dict[str, Any]:
    """Run a command with `--output json` and return its document."""
    finished = await scene.command(*arguments, "--output", "json")
    assert finished.exit_code == exit_code, finished.output
    printed: dict[str, Any] = json.loads(finished.output)
    return printed


def found_kinds(verified: dict[str, Any]) -> dict[str, set[str]]:
    """The kinds of differences that `verify` found, by run. Those of a record are its run's."""
    kinds: dict[str, set[str]] = {}
    for difference in verified["first_differences"]:
        record = re.fullmatch(r"partition 0 offset (\d+)", difference["where"])
        letter = re.fullmatch(r"dead letter (\d+)", difference["where"])
        run_id = difference["where"].split()[0]
        if record:
            run_id = run_of(int(record[1]) // RECORDS_OF_A_RUN)
        elif letter:
            run_id = run_of(int(letter[1]) - 1)  # each run has one
        kinds.setdefault(run_id, set()).add(difference["kind"])
    return kinds


async def test_verify_finds_each_damage_and_rebuild_repairs_what_is_derived(consumed: Scene) -> None:
    # Given unchanged tables, when they are verified with the topic, then there is no difference.
    intact = await document(consumed, "verify", "--topic", exit_code=0)
    assert intact["differences"] == 0
    assert (intact["runs"], intact["events"]) == (2 * len(DAMAGES) + 3, 3 * len(DAMAGES) + 4)

    # Given tables that were changed by hand, with the triggers disabled,
    await execute(consumed.database, "ALTER TABLE run_events DISABLE TRIGGER USER")
    for number, each in enumerate(DAMAGES):
        await execute(consumed.database, each.statement.format(run=run_of(number)))
    await execute(consumed.database, "UPDATE consumer_offsets SET repeats = 0")
    # when they are verified, then each damage is reported, and none of the run that was not damaged.
    kinds = found_kinds(await document(consumed, "verify", "--topic", exit_code=1))
    damaged = {run_of(number): each for number, each in enumerate(DAMAGES)}
    assert {each.name: kinds.get(run_id) for run_id, each in damaged.items() if each.kind not in kinds[run_id]} == {}
    # Of the others, only the numbers of the partition's events and repeats differ, and times of parents without events.
    assert kinds["partition"] == {"invented", "offsets"}
    others = {run_id for run_id in kinds if run_id not in damaged}
    assert {run_id for run_id in others if not run_id.startswith("parent-of-damaged-")} == {"partition"}

    # When a dry run is made, then it finds what can be repaired, and changes nothing.
    rows = "SELECT agent_runs::text FROM agent_runs ORDER BY id"  # as text: the driver cannot represent some times
    before = await consumed.rows(rows)
    dry = await document(consumed, "rebuild", "--dry-run", exit_code=1)
    repaired = {run_id for run_id, each in damaged.items() if each.is_repaired}
    assert {change["run"] for change in dry["first_changes"]} & set(damaged) == repaired
    assert await consumed.rows(rows) == before
    # When the tables are rebuilt, then the derived columns are right, and the rest is left as it was and named.
    rebuilt = await document(consumed, "rebuild", exit_code=1)
    assert [change for change in dry["first_changes"] if change["run"] in damaged] == rebuilt["first_changes"]
    kinds = found_kinds(await document(consumed, "verify", "--topic", exit_code=1))
    left = {run_id for run_id, each in damaged.items() if not each.is_repaired}
    deleted = {f"parent-of-{run_id}" for run_id, each in damaged.items() if each.kind in {"missing", "no_run"}}
    assert set(kinds) - deleted == left | {"partition"}


COPY = """
    WITH copy AS (
        INSERT INTO run_events (id, run_id, event_seq, event_type, event_data, created_at, source_partition,
                                source_offset)
        SELECT 'copy', $1, 3, event_type, event_data || '{"id": "copy"}', created_at, source_partition, source_offset
          FROM run_events WHERE run_id = 'intact' AND event_seq = 1
        RETURNING created_at
    )
    UPDATE agent_runs SET event_count = 4, updated_at = copy.created_at FROM copy WHERE id = $1
"""


async def test_verify_compares_the_selected_runs(consumed: Scene) -> None:
    # Given a damaged run among others,
    await consumed.rows("UPDATE agent_runs SET status = 'failed' WHERE id = $1", run_of(1))
    # when another run is verified, or the runs after it, then there is no difference.
    assert (await document(consumed, "verify", "--run", run_of(0), "--run", "intact", exit_code=0))["runs"] == 2
    assert (await document(consumed, "verify", "--from", "intact", exit_code=0))["differences"] == 0
    # When the run is verified, then the difference is found, and the text names it.
    text = await consumed.command("verify", "--run", run_of(1))
    assert text.exit_code == 1
    assert f"projection: {run_of(1)}: status is 'failed', expected from its events: 'running'" in text.output
    # When its row is repaired as if events were missing, then nothing is repaired without the option for it.
    await consumed.rows("UPDATE agent_runs SET event_count = 4 WHERE id = $1", run_of(1))
    refused = await consumed.command("rebuild", "--run", run_of(1))
    assert (refused.exit_code, f"fewer_events: {run_of(1)}" in refused.output) == (1, True), refused.output
    assert (await consumed.command("rebuild", "--run", run_of(1), "--lower-counts")).exit_code == 0
    assert (await document(consumed, "verify", exit_code=0))["differences"] == 0
    # When runs are named that do not exist, then they are refused, and nothing else is compared or repaired.
    for command in ("verify", "rebuild"):
        unknown = await consumed.command(command, "--run", "intact", "--run", "x", "--run", "y")
        assert (unknown.exit_code, unknown.output) == (2, "error: there is no run 'x'\nerror: there is no run 'y'\n")
    # When the stored offset is set back, then the records that are beyond it are reported.
    await consumed.rows(f"UPDATE consumer_offsets SET next_offset = 0, repeats = 1000, {NO_FINGERPRINT}")
    kinds = (await document(consumed, "verify", exit_code=1))["differences_by_kind"]
    assert set(kinds) == {"beyond_offset", "letter", "offsets"}
    # When a run is deleted, and the topic is consumed again, then nothing differs.
    await consumed.rows("DELETE FROM agent_runs WHERE id = 'intact'")
    await consumed.rows("UPDATE consumer_offsets SET repeats = 0")
    await consumed.consume()
    assert (await document(consumed, "verify", "--topic", exit_code=0))["differences"] == 0
    # When an event of one run is copied into another one, as if it were its own, then the topic shows it.
    await consumed.rows(COPY, run_of(0))
    assert (await document(consumed, "verify", exit_code=0))["differences"] == 0
    copied = (await document(consumed, "verify", "--topic", exit_code=1))["first_differences"]
    assert {difference["kind"] for difference in copied} == {"invented"}
    assert f"event_seq 3 of run '{run_of(0)}', event_seq 1 of run 'intact'" in copied[1]["detail"]
    # A share of the runs is compared.
    assert (await document(consumed, "verify", "--sample", "50%", exit_code=0))["runs"] < 2 * len(DAMAGES) + 3
    refused = await consumed.command("verify", "--sample", "0%")
    assert (refused.exit_code, "'0%' is not a percentage" in refused.output) == (2, True)


APPEND = """
    WITH event AS (
        INSERT INTO run_events (id, run_id, event_seq, event_type, event_data, created_at, source_partition,
                                source_offset)
        SELECT 'd', run_id, 3, 'input', event_data || '{"id": "d"}', created_at + interval '1 s', source_partition,
               source_offset + 3
          FROM run_events WHERE run_id = 'intact' AND id = 'a'
        RETURNING created_at
    )
    UPDATE agent_runs SET event_count = 4, updated_at = event.created_at FROM event WHERE id = 'intact'
"""


WAITS_FOR_A_LOCK = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def test_rebuild_folds_the_events_that_a_consumer_stores_meanwhile(consumed: Scene) -> None:
    # Given a damaged run, and an open transaction that stores its next event,
    await consumed.rows("UPDATE agent_runs SET status = 'failed', dropped_events = 7 WHERE id = 'intact'")
    async with connect(consumed.database) as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(APPEND)
        # when rebuild waits for the lock of the run, and the transaction is committed,
        rebuilding = asyncio.create_task(consumed.command("rebuild", AGENT_RUNS_LOCK_TIMEOUT_S="30"))

        async def waits() -> bool:
            return bool(await consumed.rows(WAITS_FOR_A_LOCK))

        await until(waits, "rebuild waits for the lock")
        await transaction.commit()
    # then the run is repaired with this event.
    assert (await rebuilding).exit_code == 0
    assert (await document(consumed, "verify", exit_code=0))["differences"] == 0


async def test_verify_finds_no_difference_while_a_consumer_stores_events(scene: Scene, seed: int) -> None:
    # Given a consumer that stores events in small transactions,
    scene.start(AGENT_RUNS_BATCH_RECORDS="3")
    config = read_config(scene.environ(), "database", "topic")
    sessions = [Session(lambda: Store.connect(config.database, scene.topic), COMMAND_S) for _ in range(3)]
    events, found = set[int](), []
    async with publishing(scene, seed):
        await scene.wait_for_more(100)
        # when the tables are verified again and again meanwhile, with another number of events each time,
        while len(events) < VERIFICATIONS:
            pages = [page async for page in verify_runs(sessions, Selection())]
            events.add(sum(page.events for page in pages))
            found += [difference for page in pages for difference in page.differences]
    for session in sessions:
        session.close()
    # then there is never a difference.
    assert found == []
