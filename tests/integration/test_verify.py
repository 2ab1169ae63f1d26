"""`verify` finds changes to the tables that the service did not make."""

import json
from typing import Any, NamedTuple

import pytest

from tests.support.messages import Message, event, events_of
from tests.support.scene import Scene
from tests.support.servers.clients import execute


class Damage(NamedTuple):
    """A statement that damages one run or one record.

    Attributes:
        statement: `{run}` stands for the id of the run that is damaged.
        kind: the kind of difference that `verify --topic` must report for the run, or for one of its records.
    """

    name: str
    statement: str
    kind: str


def column(name: str, value: str, kind: str = "projection") -> Damage:
    """A changed column of agent_runs."""
    return Damage(f"{name} = {value}", f"UPDATE agent_runs SET {name} = {value} WHERE id = '{{run}}'", kind)


def event_column(name: str, value: str, kind: str) -> Damage:
    """A changed column of the second of three events."""
    where = "run_id = '{run}' AND event_seq = 1"
    return Damage(f"another {name} of an event", f"UPDATE run_events SET {name} = {value} WHERE {where}", kind)


DAMAGES = [
    column("status", "'failed'"),
    column("agent_id", "'other'"),
    column("session_id", "NULL"),
    column("parent_run_id", "'intact'"),
    column("parent_run_id", "NULL"),
    column("event_count", "2", "beyond_count"),
    column("event_count", "4"),
    column("dropped_events", "7"),
    *(
        column(name, f"{name} + interval '1 s'")
        for name in ("created_at", "updated_at", "status_changed_at", "started_at")
    ),
    event_column("id", "'other'", "other_id"),
    event_column("event_type", "'run_failed'", "other_type"),
    event_column("parent_event_id", "'other'", "other_parent"),
    event_column("event_data", "event_data - 'tool'", "unreadable_event"),
    event_column("event_data", """jsonb_set(event_data, '{{data}}', '"other"')""", "altered"),
    event_column("raw", "'{{}}'", "other_raw"),
    event_column("created_at", "created_at - interval '1 s'", "altered"),
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
    Damage("other bytes of a letter", "UPDATE dead_letters SET value = 'other' WHERE key = '{run}'", "altered"),
]


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
    )
    await scene.consume()
    return scene


async def verify(scene: Scene, *arguments: str, exit_code: int) -> dict[str, Any]:
    """Run `verify --output json` and return its document."""
    finished = await scene.command("verify", "--output", "json", *arguments)
    assert finished.exit_code == exit_code, finished.output
    document: dict[str, Any] = json.loads(finished.output)
    return document


async def damage(scene: Scene) -> None:
    """Damage each run in its own way, with the triggers disabled."""
    await scene.rows("ALTER TABLE run_events DISABLE TRIGGER USER")
    for number, each in enumerate(DAMAGES):
        await execute(scene.database, each.statement.format(run=run_of(number)))


async def test_verify_finds_each_damage_and_nothing_else(consumed: Scene) -> None:
    # Given unchanged tables, when they are verified with the topic, then there is no difference.
    intact = await verify(consumed, "--topic", exit_code=0)
    assert intact["differences"] == 0
    assert (intact["runs"], intact["events"]) == (2 * len(DAMAGES) + 2, 3 * len(DAMAGES) + 3)

    # Given tables that were changed by hand,
    offsets = {
        f"partition 0 offset {4 * number + at}": run_of(number) for number in range(len(DAMAGES)) for at in range(4)
    }
    await damage(consumed)
    # when they are verified, then each damage is reported, and none of the run that was not damaged.
    found = await verify(consumed, "--topic", exit_code=1)
    kinds: dict[str, set[str]] = {}
    for difference in found["first_differences"]:
        run_id = offsets.get(difference["where"], difference["where"].split()[0])
        kinds.setdefault(run_id, set()).add(difference["kind"])
    not_found = {
        each.name: kinds.get(run_of(number))
        for number, each in enumerate(DAMAGES)
        if each.kind not in kinds[run_of(number)]
    }
    assert not_found == {}
    # Of the others, only the number of the partition's events differs, and the times of parents without events.
    others = set(kinds) - {run_of(number) for number in range(len(DAMAGES))}
    assert {run_id for run_id in others if not run_id.startswith("parent-of-damaged-")} == {"partition"}


async def test_verify_compares_the_selected_runs(consumed: Scene) -> None:
    # Given a damaged run among others,
    await consumed.rows("UPDATE agent_runs SET status = 'failed' WHERE id = $1", run_of(1))
    # when another run is verified, or the runs after it, then there is no difference.
    assert (await verify(consumed, "--run", run_of(0), "--run", "intact", exit_code=0))["runs"] == 2
    assert (await verify(consumed, "--from", "intact", exit_code=0))["differences"] == 0
    # When the run is verified, then the difference is found, and the text names it.
    text = await consumed.command("verify", "--run", run_of(1))
    assert text.exit_code == 1
    assert f"projection: {run_of(1)}: status is 'failed', expected from its events: 'running'" in text.output
    # A share of the runs is compared.
    assert (await consumed.command("verify", "--sample", "50%")).exit_code in {0, 1}
    refused = await consumed.command("verify", "--sample", "0%")
    assert (refused.exit_code, "'0%' is not a percentage" in refused.output) == (2, True)
