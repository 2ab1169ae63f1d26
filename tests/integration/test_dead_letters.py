"""What an operator does with refused records: finds them, tries them again, gives them up, takes them out."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.integration.messages import Message, holding, said
from tests.integration.pipeline import Pipeline

SMALL, LARGE = "2048", "1000000"
BIG = "x" * 4000
SAME_TIMES = """
    SELECT count(*) FROM run_events AS e JOIN dead_letters AS d ON e.source_offset = d.record_offset
     WHERE e.created_at = d.record_timestamp
"""


def big(event_id: str, text: str = BIG) -> Message:
    return Message(b"run", holding(event_id, json.dumps(text).encode()))


@pytest.fixture
async def refused(pipeline: Pipeline) -> Pipeline:
    """A run of three events, with two letters between them that were too large for a small limit."""
    small = replace(pipeline, settings={"AGENT_RUNS_MAX_EVENT_BYTES": SMALL})
    await small.publish(*said("run", "a"), big("big-1"), *said("run", "b"), big("big-2"), *said("run", "c"))
    await small.consume()
    assert await small.letters() == [(1, "too_large"), (3, "too_large")]
    return small


async def letters(pipeline: Pipeline) -> list[tuple[Any, ...]]:
    return await pipeline.rows("SELECT id, reason, state, retries FROM dead_letters ORDER BY id")


async def everything(pipeline: Pipeline) -> list[list[tuple[Any, ...]]]:
    tables = ("agent_runs", "run_events", "dead_letters", "dead_letter_history", "consumer_offsets")
    return [await pipeline.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]


async def test_a_letter_that_is_an_event_by_now_gets_its_runs_next_number_and_keeps_its_place_in_the_log(
    refused: Pipeline,
) -> None:
    # Given letters that were refused for a limit, when they are tried under a larger one,
    done = await refused.command("dead-letters", "retry", "--all", AGENT_RUNS_MAX_EVENT_BYTES=LARGE)
    # then they are the run's last events, in the order in which they were refused,
    assert done.exit_code == 0, done.output
    assert "2 stored" in done.output
    assert await refused.stored("run") == ["a", "b", "c", "big-1", "big-2"]
    # at the places of the log that are theirs, with its times,
    places = await refused.rows("SELECT source_offset FROM run_events ORDER BY event_seq")
    assert places == [(0,), (2,), (4,), (1,), (3,)]
    assert await refused.rows(SAME_TIMES) == [(2,)]
    # and the letters say so.
    assert await letters(refused) == [(1, "too_large", "resolved", 0), (2, "too_large", "resolved", 0)]
    detail = await refused.rows("SELECT letter_id, action, detail FROM dead_letter_history ORDER BY id")
    assert detail == [(1, "resolved", "event 3 of run 'run'"), (2, "resolved", "event 4 of run 'run'")]
    verified = await refused.command("verify", "--topic", refused.topic, AGENT_RUNS_MAX_EVENT_BYTES=LARGE)
    assert verified.exit_code == 0, verified.output


async def test_trying_twice_and_trying_for_show_change_nothing(refused: Pipeline) -> None:
    # Given letters, when they are tried for show,
    before = await everything(refused)
    shown = await refused.command("dead-letters", "retry", "--all", "--dry-run", AGENT_RUNS_MAX_EVENT_BYTES=LARGE)
    # then it says what would be, and nothing is.
    assert "Would be: 2 stored" in shown.output
    assert await everything(refused) == before
    # And when they are tried in earnest, and then again,
    await refused.command("dead-letters", "retry", "--all", AGENT_RUNS_MAX_EVENT_BYTES=LARGE)
    after = await everything(refused)
    again = await refused.command("dead-letters", "retry", "1", "2", AGENT_RUNS_MAX_EVENT_BYTES=LARGE)
    # then the second time does nothing, and says so.
    assert (again.exit_code, again.output.count("it is resolved")) == (0, 2), again.output
    assert await everything(refused) == after
