"""A second record with a known event id: an equal one is counted as a repeat, a different one becomes a dead letter."""

from collections.abc import Sequence

import pytest

from tests.support.messages import Message, event, event_with_literal
from tests.support.scene import Scene

EVENT, REPEAT, CONFLICT = "event", "repeat", "event_id_conflict"
FIRST = event("id", data={"a": 1, "b": "é"})
SAME_JSON = (
    b'{"data": {"b":"\\u00e9", "a": 1.0, "a": 1} , "tool":"message_from_user", "parent_event_id":null,'
    b'"timestamp":"2026-01-31T12:00:00.5+00:00", "id":"id", "type":"input"}'
)
OTHER = event("id", data="other")
WITH_NUL = event_with_literal("id", rb'"a\u0000b"')
EQUAL_IN_JSONB = [event_with_literal("id", data) for data in (rb'"a\u0000b" ', rb'"a\ud800b"', rb'"a\ufffdb"')]


@pytest.mark.parametrize("batch_records", ["4000", "1"])  # the outcome must not depend on the batches
@pytest.mark.parametrize(
    "records",
    [
        pytest.param([(FIRST, EVENT), (FIRST, REPEAT), (SAME_JSON, REPEAT), (event("new"), EVENT)], id="equal as JSON"),
        pytest.param([(FIRST, EVENT), (OTHER, CONFLICT), (FIRST, REPEAT), (OTHER, CONFLICT)], id="different"),
        # Messages that JSONB cannot hold are compared byte by byte.
        pytest.param(
            [(WITH_NUL, EVENT), (WITH_NUL, REPEAT), *((value, CONFLICT) for value in EQUAL_IN_JSONB)], id="raw"
        ),
    ],
)
async def test_records_with_a_known_event_id_are_repeats_or_conflicts(
    scene: Scene, records: Sequence[tuple[bytes, str]], batch_records: str
) -> None:
    # Given records of one run with the same event id,
    await scene.publish(*(Message(b"run", value) for value, _ in records))
    # when they are consumed,
    await scene.consume(AGENT_RUNS_BATCH_RECORDS=batch_records)
    # then each has its outcome: repeats take no number, and every conflict is a dead letter of its own.
    outcomes = [outcome for _, outcome in records]
    events = await scene.rows("SELECT event_seq, source_offset FROM run_events ORDER BY event_seq")
    assert events == list(enumerate(offset for offset, outcome in enumerate(outcomes) if outcome == EVENT))
    assert await scene.rows("SELECT repeats FROM consumer_offsets") == [(outcomes.count(REPEAT),)]
    assert await scene.dead_letters() == [(at, CONFLICT) for at, outcome in enumerate(outcomes) if outcome == CONFLICT]
    await scene.assert_consistent()


async def test_an_event_id_is_taken_only_in_its_own_run(scene: Scene) -> None:
    # Given two runs with different events under the same id, when they are consumed,
    await scene.publish(Message(b"one", event("id", data=1)), Message(b"two", event("id", data=2)))
    await scene.consume()
    # then both are stored: no agent can block another one's ids.
    assert await scene.event_ids("one") == await scene.event_ids("two") == ["id"]
    assert await scene.dead_letters() == []
