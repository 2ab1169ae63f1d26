"""`verify` finds changes to the tables that the service did not make."""

import pytest

from tests.support.messages import Message, event, events_of
from tests.support.scene import Scene

# A statement that damages the tables, the kind of difference that `verify` reports, and whether it needs the topic.
DAMAGES = {
    "a status that the events do not give": (
        "UPDATE agent_runs SET status = 'failed' WHERE id = 'run'",
        "projection",
        False,
    ),
    "an agent that no event names": ("UPDATE agent_runs SET agent_id = 'other' WHERE id = 'run'", "projection", False),
    "a deleted event": ("DELETE FROM run_events WHERE run_id = 'run' AND event_seq = 1", "sequence_gap", False),
    "a deleted last event": ("DELETE FROM run_events WHERE run_id = 'run' AND event_seq = 2", "projection", False),
    "a deleted run": ("DELETE FROM agent_runs WHERE id = 'run'", "missing", True),
    "a deleted letter": ("DELETE FROM dead_letters", "missing", True),
    "a letter with other bytes": ("UPDATE dead_letters SET value = 'other'", "altered", True),
    "an event with other content": (
        """UPDATE run_events SET event_data = jsonb_set(event_data, '{data}', '"other"') WHERE event_seq = 1""",
        "altered",
        True,
    ),
    "an event that was not published": (
        """INSERT INTO run_events SELECT 'made-up', run_id, NULL, 3, event_type,
                  jsonb_set(event_data, '{id}', '"made-up"'), created_at, source_partition, source_offset
             FROM run_events WHERE event_seq = 2""",
        "invented",
        True,
    ),
}


@pytest.fixture
async def consumed(scene: Scene) -> Scene:
    """A scene with a run, a repeat, a conflict and an invalid record, all consumed."""
    started = event("start", "run_started", session_id="session", parent_run_id="parent")
    await scene.publish(
        Message(b"run", started),
        *events_of("run", "a", "b", "a"),
        Message(b"run", event("a", data="other")),
        Message(b"run", b"{"),
    )
    await scene.consume()
    return scene


async def test_unchanged_tables_have_no_differences(consumed: Scene) -> None:
    # Given unchanged tables, when they are verified, with the topic and without, then there is no difference.
    alone = await consumed.command("verify")
    assert (alone.exit_code, "0 differences" in alone.output) == (0, True), alone.output
    with_topic = await consumed.command("verify", "--topic")
    assert (with_topic.exit_code, "0 differences" in with_topic.output) == (0, True), with_topic.output


@pytest.mark.parametrize("damage", DAMAGES)
async def test_verify_finds_damage(consumed: Scene, damage: str) -> None:
    statement, kind, needs_topic = DAMAGES[damage]
    # Given tables that were changed by hand with the triggers disabled,
    await consumed.rows("ALTER TABLE run_events DISABLE TRIGGER USER")
    await consumed.rows(statement)
    # when they are verified, then the difference is reported, and the exit code is 1.
    found = await consumed.command("verify", *(["--topic"] if needs_topic else []))
    assert found.exit_code == 1, found.output
    assert any(line.startswith(f"{kind}: ") for line in found.output.splitlines()), found.output
