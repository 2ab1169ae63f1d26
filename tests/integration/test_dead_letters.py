"""The dead-letters commands: list, show, retry, discard and export."""

import json
from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.messages import Message, event, event_with_literal, events_of
from tests.support.scene import Scene

SMALL, LARGE = "2048", "1000000"
BIG = "x" * 4000
SAME_TIMES = """
    SELECT count(*) FROM run_events AS e JOIN dead_letters AS d ON e.source_offset = d.record_offset
     WHERE e.created_at = d.record_timestamp
"""


def big(event_id: str, text: str = BIG) -> Message:
    return Message(b"run", event_with_literal(event_id, json.dumps(text).encode()))


@pytest.fixture
async def refused(scene: Scene) -> Scene:
    """Store a run of three events, and two dead letters between them that exceed a small limit."""
    small = replace(scene, settings={"AGENT_RUNS_MAX_EVENT_BYTES": SMALL})
    await small.publish(
        *events_of("run", "a"), big("big-1"), *events_of("run", "b"), big("big-2"), *events_of("run", "c")
    )
    await small.consume()
    assert await small.dead_letters() == [(1, "too_large"), (3, "too_large")]
    return small


async def dead_letters(scene: Scene) -> list[tuple[Any, ...]]:
    return await scene.rows("SELECT id, reason, state, retries FROM dead_letters ORDER BY id")


async def all_rows(scene: Scene) -> list[list[tuple[Any, ...]]]:
    tables = ("agent_runs", "run_events", "dead_letters", "dead_letter_history", "consumer_offsets")
    return [await scene.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]


async def test_a_retried_dead_letter_gets_its_runs_next_number_and_keeps_its_offset_and_time(
    refused: Scene,
) -> None:
    # Given dead letters that exceeded a size limit, when they are retried with a larger one,
    done = await refused.command("dead-letters", "retry", "--all", AGENT_RUNS_MAX_EVENT_BYTES=LARGE)
    # then they are the run's last events, in the order of their rejection,
    assert done.exit_code == 0, done.output
    assert "2 stored" in done.output
    assert await refused.event_ids("run") == ["a", "b", "c", "big-1", "big-2"]
    # with their own offsets and the times of their records,
    places = await refused.rows("SELECT source_offset FROM run_events ORDER BY event_seq")
    assert places == [(0,), (2,), (4,), (1,), (3,)]
    assert await refused.rows(SAME_TIMES) == [(2,)]
    # and the dead letters are resolved.
    assert await dead_letters(refused) == [(1, "too_large", "resolved", 0), (2, "too_large", "resolved", 0)]
    detail = await refused.rows("SELECT letter_id, action, detail FROM dead_letter_history ORDER BY id")
    assert detail == [(1, "resolved", "event 3 of run 'run'"), (2, "resolved", "event 4 of run 'run'")]
    verified = await refused.command("verify", "--topic", refused.topic, AGENT_RUNS_MAX_EVENT_BYTES=LARGE)
    assert verified.exit_code == 0, verified.output


async def test_a_dry_run_and_a_second_retry_change_nothing(refused: Scene) -> None:
    # Given dead letters, when they are retried with --dry-run,
    before = await all_rows(refused)
    shown = await refused.command("dead-letters", "retry", "--all", "--dry-run", AGENT_RUNS_MAX_EVENT_BYTES=LARGE)
    # then the output says what would happen, and nothing does.
    assert "dry run, nothing changed; a real run would give: 2 stored" in shown.output
    assert await all_rows(refused) == before
    # And when they are retried, and then again,
    await refused.command("dead-letters", "retry", "--all", AGENT_RUNS_MAX_EVENT_BYTES=LARGE)
    after = await all_rows(refused)
    again = await refused.command("dead-letters", "retry", "1", "2", AGENT_RUNS_MAX_EVENT_BYTES=LARGE)
    # then the second time does nothing, and says so.
    assert (again.exit_code, again.output.count("it is resolved")) == (0, 2), again.output
    assert await all_rows(refused) == after


async def test_a_dead_letter_that_is_rejected_again_stays_open_with_its_new_reason_and_the_old_one_in_its_history(
    scene: Scene,
) -> None:
    # Given dead letters that will be rejected for another reason once their size is within the limit,
    small = replace(scene, settings={"AGENT_RUNS_MAX_EVENT_BYTES": SMALL})
    number = event_with_literal("number", b"[1e131072, " + json.dumps(BIG).encode() + b"]")
    await small.publish(Message(b"run", number), *events_of("run", "taken"), big("taken"))
    await small.consume()
    # when they are retried,
    again = await small.command("dead-letters", "retry", "--all", AGENT_RUNS_MAX_EVENT_BYTES=LARGE)
    # then they stay open with the new reason, and the exit code is 1.
    assert again.exit_code == 1, again.output
    assert await dead_letters(small) == [(1, "store_rejected", "open", 1), (2, "event_id_conflict", "open", 1)]
    history = "SELECT letter_id, action, reason FROM dead_letter_history ORDER BY letter_id, at, id"
    first = [("refused", "too_large"), ("retried", "store_rejected")]
    second = [("refused", "too_large"), ("retried", "event_id_conflict")]
    assert await small.rows(history) == [*((1, *row) for row in first), *((2, *row) for row in second)]
    # Dead letters that were retried often enough are skipped.
    capped = await small.command(
        "dead-letters", "retry", "--all", "--max-retries", "1", AGENT_RUNS_MAX_EVENT_BYTES=LARGE
    )
    assert (capped.exit_code, "2 skipped" in capped.output) == (0, True), capped.output
    assert await dead_letters(small) == [(1, "store_rejected", "open", 1), (2, "event_id_conflict", "open", 1)]


async def test_a_dead_letter_whose_event_is_already_stored_is_resolved_as_a_repeat(scene: Scene) -> None:
    # Given the same record twice, with characters that JSONB cannot hold, rejected both times,
    small = replace(scene, settings={"AGENT_RUNS_MAX_EVENT_BYTES": SMALL})
    twice = Message(b"run", event_with_literal("twice", b'"\\u0000 \\ud800' + BIG.encode() + b'"'))
    await small.publish(twice, twice)
    await small.consume()
    # when both are retried, then one is stored with its exact bytes, and the other is its repeat.
    done = await small.command("dead-letters", "retry", "--run", "run", AGENT_RUNS_MAX_EVENT_BYTES=LARGE)
    assert "1 stored, 1 repeat" in done.output, done.output
    assert await small.rows("SELECT event_seq, source_offset, raw FROM run_events") == [(0, 0, twice.value)]
    assert [state for _, _, state, _ in await dead_letters(small)] == ["resolved", "resolved"]


async def test_an_interrupted_retry_continues_with_the_dead_letters_that_it_has_not_tried(refused: Scene) -> None:
    # Given an interrupted retry: one dead letter was retried, and rejected again, after it started,
    (begun,) = (await refused.rows("SELECT to_json(now())#>>'{}'"))[0]
    await refused.command("dead-letters", "retry", "1")
    # when it continues,
    rest = await refused.command("dead-letters", "retry", "--all", "--not-tried-since", begun)
    # then only the other dead letter is retried.
    assert "letter 1" not in rest.output
    assert [retries for _, _, _, retries in await dead_letters(refused)] == [1, 1]


async def test_each_filter_finds_its_dead_letters(refused: Scene) -> None:
    # Given dead letters of several kinds,
    await refused.publish(Message(b"other", b"{}"), Message(None, b"\x1b[2J"))
    await refused.consume()
    (since,) = (await refused.rows("SELECT to_json(min(created_at))#>>'{}' FROM dead_letters WHERE id > 2"))[0]

    async def listed(*filters: str) -> list[int]:
        done = await refused.command("dead-letters", "list", "--output", "json", *filters)
        assert done.exit_code == 0, done.output
        return [found["id"] for found in json.loads(done.output)]

    # when they are listed, then each filter finds its dead letters.
    assert await listed() == [1, 2, 3, 4]
    assert await listed("--reason", "invalid_event", "--reason", "missing_key") == [3, 4]
    assert await listed("--run", "other", "--partition", "0") == [3]
    assert await listed("--since", since) == [3, 4]
    assert await listed("--until", since, "--after", "1") == [2]
    assert await listed("--state", "resolved") == []
    # And as a table, the list ends with the option for the next page.
    table = await refused.command("dead-letters", "list", "--limit", "3")
    assert "too_large" in table.output
    assert "There are more: continue with --after 3" in table.output


async def test_a_dead_letter_is_shown_with_the_place_of_its_error_and_with_escaped_bytes(scene: Scene) -> None:
    # Given a record with control sequences of a terminal, and with an error in one place,
    value = event("id", tool="TOOL", data=3).replace(b"TOOL", "\x9b31m\u202e".encode())
    value = value.replace(b'"data": 3', b'"data": tru') + b"\x1b]0;x\x07"
    await scene.publish(Message(b"ke\x1by", value, headers=[("h\x1b[2J", b"\x1b[31m\xff")]))
    await scene.consume()
    # when it is shown,
    shown = await scene.command("dead-letters", "show", "1")
    # then the output names the place and points at it,
    assert f"error at: value, byte {value.index(b'tru')}" in shown.output, shown.output
    lines = shown.output.splitlines()
    pointer = next(number for number, line in enumerate(lines) if line.strip() == "^")
    assert lines[pointer - 1][lines[pointer].index("^") :].startswith("tru")
    # shows key, headers and value with escapes,
    for text in (r"ke\x1by", r"h\x1b[2J", r"\x1b[31m\xff", "refused: not_json"):
        assert text in shown.output
    assert shown.output.replace("\n", "").isprintable()
    # and as JSON, it has the exact bytes.
    document = json.loads((await scene.command("dead-letters", "show", "1", "--output", "json")).output)
    assert b64decode(document["value"]) == value
    assert b64decode(document["key"]) == b"ke\x1by"
    assert [(name, b64decode(data)) for name, data in document["headers"]] == [("h\x1b[2J", b"\x1b[31m\xff")]


async def test_a_discarded_dead_letter_has_its_actor_and_reason_and_is_not_retried(refused: Scene) -> None:
    # Given dead letters, when one is discarded,
    done = await refused.command("dead-letters", "discard", "1", "--because", "a test's", "--by", "Ada")
    # then it stays with its reason, and is no longer open; discarding it again changes nothing.
    assert "1 discarded" in done.output, done.output
    again = await refused.command("dead-letters", "discard", "1", "--because", "other", "--by", "Eve")
    assert "0 discarded" in again.output, again.output
    history = "SELECT letter_id, action, detail, actor FROM dead_letter_history"
    assert await refused.rows(history) == [(1, "discarded", "a test's", "Ada")]
    await refused.command("dead-letters", "retry", "--all", AGENT_RUNS_MAX_EVENT_BYTES=LARGE)
    states = [state for _, _, state, _ in await dead_letters(refused)]
    assert states == ["discarded", "resolved"]


async def test_dead_letters_are_exported_with_their_exact_bytes(refused: Scene, tmp_path: Path) -> None:
    # Given dead letters, when one value is exported, then the file has its bytes,
    (value,) = (await refused.rows("SELECT value FROM dead_letters WHERE id = 2"))[0]
    file = tmp_path / "message"
    done = await refused.command("dead-letters", "export", "2", "--bytes", "--to", str(file))
    assert done.exit_code == 0, done.output
    assert file.read_bytes() == value
    # and when all are exported, then each is a line of JSON with all fields.
    lines = (await refused.command("dead-letters", "export", "--all")).output.splitlines()
    documents = [json.loads(line) for line in lines]
    assert [(document["id"], document["offset"], b64decode(document["key"])) for document in documents] == [
        (1, 1, b"run"),
        (2, 3, b"run"),
    ]
    assert b64decode(documents[1]["value"]) == value


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("show", "99"), "there is no dead letter 99"),
        (("retry", "99"), "there is no dead letter 99"),
        (("retry",), "select dead letters"),
        (("discard", "--because", "x", "--by", "y"), "select dead letters"),
        (("export", "--all", "--bytes"), "--bytes writes one message"),
        (("list", "--since", "yesterday"), "is not a time like"),
    ],
)
async def test_invalid_arguments_are_refused_with_a_remedy(
    scene: Scene, arguments: tuple[str, ...], error: str
) -> None:
    done = await scene.command("dead-letters", *arguments)

    assert (done.exit_code, error in done.output) == (2, True), done.output
