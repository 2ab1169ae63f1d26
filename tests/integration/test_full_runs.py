"""A run that has as many events, or dropped events, as its columns can count."""

from consumer.ingest.sequencing import MAX_DROPPED_EVENTS, MAX_EVENT_COUNT
from tests.support.messages import Message, event, events_of
from tests.support.scene import Scene

LAST = MAX_EVENT_COUNT - 1


async def test_events_beyond_the_limit_of_a_run_are_dead_letters_and_its_partition_continues(scene: Scene) -> None:
    # Given a run with room for one more event, and another run in its partition,
    await scene.publish(*events_of("full", "a"), *events_of("other", "a"))
    await scene.consume()
    await scene.rows("UPDATE agent_runs SET event_count = $1 WHERE id = 'full'", LAST)
    # when three events follow, and then a repeat,
    await scene.publish(*events_of("full", "b", "c", "d"), *events_of("other", "b"), *events_of("full", "a"))
    await scene.consume()
    # then the first is stored, the other two are dead letters, and the repeat is counted.
    stored = "SELECT id, event_seq FROM run_events WHERE run_id = 'full' ORDER BY event_seq"
    assert await scene.rows(stored) == [("a", 0), ("b", LAST)]
    assert await scene.dead_letters() == [(3, "store_rejected"), (4, "store_rejected")]
    assert await scene.rows("SELECT DISTINCT detail FROM dead_letters") == [
        (f"run 'full' is full: it has {MAX_EVENT_COUNT} events",)
    ]
    assert await scene.rows("SELECT next_offset, repeats FROM consumer_offsets") == [(7, 1)]
    assert await scene.event_ids("other") == ["a", "b"]
    # A retry refuses them again.
    retried = await scene.command("dead-letters", "retry", "--all")
    assert (retried.exit_code, "2 refused again" in retried.output) == (1, True), retried.output


async def test_dropped_events_beyond_the_limit_of_a_run_are_rejected_and_its_other_events_stored(scene: Scene) -> None:
    # Given a run whose count of dropped events is close to the largest that its column can hold,
    await scene.publish(*events_of("run", "first"))
    await scene.consume()
    await scene.rows("UPDATE agent_runs SET dropped_events = $1", MAX_DROPPED_EVENTS - 1)
    # when a batch has two events that add to that count, between others,
    dropped = [Message(b"run", event(event_id, "events_dropped")) for event_id in ("fits", "too-much")]
    await scene.publish(*events_of("run", "a"), *dropped, *events_of("run", "b"))
    await scene.consume()
    # then the second one becomes a dead letter.
    assert await scene.dead_letters() == [(3, "store_rejected")]
    assert await scene.event_ids("run") == ["first", "a", "fits", "b"]
    assert await scene.rows("SELECT dropped_events FROM agent_runs") == [(MAX_DROPPED_EVENTS,)]
