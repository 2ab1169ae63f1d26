"""`verify` finds whatever was done to the tables behind the service's back."""

import pytest

from tests.support.messages import Message, event, said
from tests.support.pipeline import Pipeline

# How the tables are damaged, the kind of difference that says so, and whether it takes the topic to see it.
DAMAGES = {
    "a status that its events don't give": (
        "UPDATE agent_runs SET status = 'failed' WHERE id = 'run'",
        "projection",
        False,
    ),
    "an agent that no event names": ("UPDATE agent_runs SET agent_id = 'other' WHERE id = 'run'", "projection", False),
    "an event that is gone": ("DELETE FROM run_events WHERE run_id = 'run' AND event_seq = 1", "sequence_gap", False),
    "a last event that is gone": ("DELETE FROM run_events WHERE run_id = 'run' AND event_seq = 2", "projection", False),
    "a whole run that is gone": ("DELETE FROM agent_runs WHERE id = 'run'", "missing", True),
    "a letter that is gone": ("DELETE FROM dead_letters", "missing", True),
    "a letter with other bytes": ("UPDATE dead_letters SET value = 'other'", "altered", True),
    "an event with another content": (
        """UPDATE run_events SET event_data = jsonb_set(event_data, '{data}', '"other"') WHERE event_seq = 1""",
        "altered",
        True,
    ),
    "an event that nobody published": (
        """INSERT INTO run_events SELECT 'made-up', run_id, NULL, 3, event_type,
                  jsonb_set(event_data, '{id}', '"made-up"'), created_at, source_partition, source_offset
             FROM run_events WHERE event_seq = 2""",
        "invented",
        True,
    ),
}


@pytest.fixture
async def consumed(pipeline: Pipeline) -> Pipeline:
    """A pipeline with a run, a repeat, a conflict and a bad record, all consumed."""
    started = event("start", "run_started", session_id="session", parent_run_id="parent")
    await pipeline.publish(
        Message(b"run", started),
        *said("run", "a", "b", "a"),
        Message(b"run", event("a", data="other")),
        Message(b"run", b"{"),
    )
    await pipeline.consume()
    return pipeline


async def test_tables_as_the_service_wrote_them_have_no_differences(consumed: Pipeline) -> None:
    # Given tables that nobody has touched, when they are verified, with the topic and without, then all is well.
    alone = await consumed.command("verify")
    assert (alone.exit_code, "0 differences" in alone.output) == (0, True), alone.output
    beside = await consumed.command("verify", "--topic")
    assert (beside.exit_code, "0 differences" in beside.output) == (0, True), beside.output


@pytest.mark.parametrize("damage", DAMAGES)
async def test_verify_finds(consumed: Pipeline, damage: str) -> None:
    statement, kind, needs_topic = DAMAGES[damage]
    # Given tables that somebody has changed by hand, past the triggers,
    await consumed.rows("ALTER TABLE run_events DISABLE TRIGGER USER")
    await consumed.rows(statement)
    # when they are verified, then the difference is named, and the exit code says that there is one.
    found = await consumed.command("verify", *(["--topic"] if needs_topic else []))
    assert found.exit_code == 1, found.output
    assert any(line.startswith(f"{kind}: ") for line in found.output.splitlines()), found.output
