"""What an operator does with refused records: finds them, tries them again, gives them up, takes them out."""

import json
from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.messages import Message, event, holding, said
from tests.support.pipeline import Pipeline

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


async def test_a_letter_that_is_refused_again_stays_open_with_its_new_reason_and_the_old_one_in_its_history(
    pipeline: Pipeline,
) -> None:
    # Given letters that will be refused for other reasons once their size is none,
    small = replace(pipeline, settings={"AGENT_RUNS_MAX_EVENT_BYTES": SMALL})
    number = holding("number", b"[1e131072, " + json.dumps(BIG).encode() + b"]")
    await small.publish(Message(b"run", number), *said("run", "taken"), big("taken"))
    await small.consume()
    # when they are tried,
    again = await small.command("dead-letters", "retry", "--all", AGENT_RUNS_MAX_EVENT_BYTES=LARGE)
    # then they stay open, which the exit code says, for what is wrong with them now,
    assert again.exit_code == 1, again.output
    assert await letters(small) == [(1, "store_rejected", "open", 1), (2, "event_id_conflict", "open", 1)]
    history = "SELECT letter_id, action, reason FROM dead_letter_history ORDER BY letter_id, at, id"
    first = [("refused", "too_large"), ("retried", "store_rejected")]
    second = [("refused", "too_large"), ("retried", "event_id_conflict")]
    assert await small.rows(history) == [*((1, *row) for row in first), *((2, *row) for row in second)]
    # and not for ever: those that were refused often enough are left alone.
    capped = await small.command(
        "dead-letters", "retry", "--all", "--max-retries", "1", AGENT_RUNS_MAX_EVENT_BYTES=LARGE
    )
    assert (capped.exit_code, "2 skipped" in capped.output) == (0, True), capped.output
    assert await letters(small) == [(1, "store_rejected", "open", 1), (2, "event_id_conflict", "open", 1)]


async def test_a_letter_whose_event_the_run_has_by_now_is_resolved_without_a_second_one(pipeline: Pipeline) -> None:
    # Given the same record twice, with what JSONB cannot hold in it, refused both times,
    small = replace(pipeline, settings={"AGENT_RUNS_MAX_EVENT_BYTES": SMALL})
    twice = Message(b"run", holding("twice", b'"\\u0000 \\ud800' + BIG.encode() + b'"'))
    await small.publish(twice, twice)
    await small.consume()
    # when both are tried, then one is stored, the exact bytes beside it, and the other is its repeat.
    done = await small.command("dead-letters", "retry", "--run", "run", AGENT_RUNS_MAX_EVENT_BYTES=LARGE)
    assert "1 stored, 1 repeat" in done.output, done.output
    assert await small.rows("SELECT event_seq, source_offset, raw FROM run_events") == [(0, 0, twice.value)]
    assert [state for _, _, state, _ in await letters(small)] == ["resolved", "resolved"]


async def test_a_pass_that_was_interrupted_goes_on_with_what_it_has_not_tried(refused: Pipeline) -> None:
    # Given a pass in the middle: one letter was tried, and refused again, after it began,
    (begun,) = (await refused.rows("SELECT to_json(now())#>>'{}'"))[0]
    await refused.command("dead-letters", "retry", "1")
    # when it goes on,
    rest = await refused.command("dead-letters", "retry", "--all", "--not-tried-since", begun)
    # then only the other one is tried.
    assert "letter 1" not in rest.output
    assert [retries for _, _, _, retries in await letters(refused)] == [1, 1]


async def test_letters_are_found_by_what_they_are(refused: Pipeline) -> None:
    # Given letters of several kinds,
    await refused.publish(Message(b"other", b"{}"), Message(None, b"\x1b[2J"))
    await refused.consume()
    (since,) = (await refused.rows("SELECT to_json(min(created_at))#>>'{}' FROM dead_letters WHERE id > 2"))[0]

    async def listed(*filters: str) -> list[int]:
        done = await refused.command("dead-letters", "list", "--output", "json", *filters)
        assert done.exit_code == 0, done.output
        return [found["id"] for found in json.loads(done.output)]

    # when they are asked for, then each filter finds its own.
    assert await listed() == [1, 2, 3, 4]
    assert await listed("--reason", "invalid_event", "--reason", "missing_key") == [3, 4]
    assert await listed("--run", "other", "--partition", "0") == [3]
    assert await listed("--since", since) == [3, 4]
    assert await listed("--until", since, "--after", "1") == [2]
    assert await listed("--state", "resolved") == []
    # And as a table, of which no record's bytes reach the terminal raw.
    table = await refused.command("dead-letters", "list", "--limit", "3")
    assert "too_large" in table.output
    assert "There are more: --after 3" in table.output


async def test_a_letter_is_shown_with_the_place_that_is_wrong_and_nothing_of_it_acts(pipeline: Pipeline) -> None:
    # Given a record with all that a terminal would act on, wrong in one place,
    value = event("id", tool="TOOL", data=3).replace(b"TOOL", "\x9b31m\u202e".encode())
    value = value.replace(b'"data": 3', b'"data": tru') + b"\x1b]0;x\x07"
    await pipeline.publish(Message(b"ke\x1by", value, headers=[("h\x1b[2J", b"\x1b[31m\xff")]))
    await pipeline.consume()
    # when it is shown,
    shown = await pipeline.command("dead-letters", "show", "1")
    # then the place is named and pointed at,
    assert f"where: value, byte {value.index(b'tru')}" in shown.output, shown.output
    lines = shown.output.splitlines()
    pointer = next(number for number, line in enumerate(lines) if line.strip() == "^")
    assert lines[pointer - 1][lines[pointer].index("^") :].startswith("tru")
    # with all that it holds, as escapes,
    for text in (r"ke\x1by", r"h\x1b[2J", r"\x1b[31m\xff", "refused: not_json"):
        assert text in shown.output
    assert shown.output.replace("\n", "").isprintable()
    # and for programs, byte by byte.
    document = json.loads((await pipeline.command("dead-letters", "show", "1", "--output", "json")).output)
    assert b64decode(document["value"]) == value
    assert b64decode(document["key"]) == b"ke\x1by"
    assert [(name, b64decode(data)) for name, data in document["headers"]] == [("h\x1b[2J", b"\x1b[31m\xff")]


async def test_a_letter_that_was_given_up_says_who_and_why_and_is_not_tried(refused: Pipeline) -> None:
    # Given letters, when one is discarded,
    done = await refused.command("dead-letters", "discard", "1", "--because", "a test's", "--by", "Ada")
    # then it stays, says why, and does not wait any more; doing it twice changes nothing.
    assert "1 discarded" in done.output, done.output
    again = await refused.command("dead-letters", "discard", "1", "--because", "other", "--by", "Eve")
    assert "0 discarded" in again.output, again.output
    history = "SELECT letter_id, action, detail, actor FROM dead_letter_history"
    assert await refused.rows(history) == [(1, "discarded", "a test's", "Ada")]
    await refused.command("dead-letters", "retry", "--all", AGENT_RUNS_MAX_EVENT_BYTES=LARGE)
    states = [state for _, _, state, _ in await letters(refused)]
    assert states == ["discarded", "resolved"]


async def test_letters_are_taken_out_as_they_were(refused: Pipeline, tmp_path: Path) -> None:
    # Given letters, when one message is taken out, then it is that message,
    (value,) = (await refused.rows("SELECT value FROM dead_letters WHERE id = 2"))[0]
    file = tmp_path / "message"
    done = await refused.command("dead-letters", "export", "2", "--bytes", "--to", str(file))
    assert done.exit_code == 0, done.output
    assert file.read_bytes() == value
    # and when all are, then each is a line that has everything.
    lines = (await refused.command("dead-letters", "export", "--all")).output.splitlines()
    documents = [json.loads(line) for line in lines]
    assert [(each["id"], each["offset"], b64decode(each["key"])) for each in documents] == [
        (1, 1, b"run"),
        (2, 3, b"run"),
    ]
    assert b64decode(documents[1]["value"]) == value


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("show", "99"), "there is no dead letter 99"),
        (("retry", "99"), "there is no dead letter 99"),
        (("retry",), "say which letters"),
        (("discard", "--because", "x", "--by", "y"), "say which letters"),
        (("export", "--all", "--bytes"), "--bytes writes one message"),
        (("list", "--since", "yesterday"), "is no time like"),
    ],
)
async def test_what_cannot_be_meant_is_refused_with_a_remedy(
    pipeline: Pipeline, arguments: tuple[str, ...], says: str
) -> None:
    done = await pipeline.command("dead-letters", *arguments)

    assert (done.exit_code, says in done.output) == (2, True), done.output
