"""The checker classifies every sample of the corpus as its table says, and applies the limits exactly."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.checker.classify import Reason, Rejected, classify
from tests.checker.fold import TERMINAL_TOOLS, WAITING_TOOLS, Fold
from tests.checker.log import Place, Record
from tests.checker.model import Model, Outcome
from tests.checker.strict_json import MAX_VALUES, fits_numeric, has_too_many_values, storable_text
from tests.support.corpus import DuplicateCase, Sample, corpus, duplicate_cases
from tests.support.workloads.corpus_mix import workload

STATUSES = ("running", "waiting", "completed", "failed")


def record(offset: int, key: bytes | None, value: bytes | None) -> Record:
    return Record(Place(0, offset), 1_700_000_000_000 + offset, key, value)


def reason_of(value: bytes | None, key: bytes | None = b"run") -> str | None:
    try:
        classify(record(0, key, value))
    except Rejected as rejected:
        return rejected.reason
    return None


def outcome_at(outcome: Outcome, place: Place) -> str | None:
    if place in outcome.rejections:
        return outcome.rejections[place].reason
    return "repeat" if place in outcome.repeats else "event"


@pytest.mark.parametrize("sample", corpus(), ids=lambda sample: sample.name.encode("unicode_escape").decode())
def test_every_specimen_is_classified_as_its_table_says(sample: Sample) -> None:
    message = sample.message(b"run", "event")
    assert reason_of(message.value, message.key) == sample.reason


@pytest.mark.parametrize("script", duplicate_cases(), ids=lambda script: script.name.encode("unicode_escape").decode())
def test_every_script_has_the_outcome_that_its_table_says(script: DuplicateCase) -> None:
    messages = script.messages(b"run", "event")
    records = [record(offset, message.key, message.value) for offset, message in enumerate(messages)]
    outcome = Model().advance(records, {})
    assert [outcome_at(outcome, each.place) for each in records] == [step for _, step in script.steps]


def test_specimens_and_scripts_have_unique_names() -> None:
    names = [sample.name for sample in corpus()] + [script.name for script in duplicate_cases()]
    assert len(names) == len(set(names))


def test_the_workload_depends_on_its_seed_and_is_three_percent_hostile() -> None:
    # Given the workload of a seed,
    messages = workload(seed=7)
    # then it is the same each time, and has the requested size and share of hostile records,
    assert messages == workload(seed=7) != workload(seed=8)
    assert len(messages) == 10_000
    records = [record(offset, message.key, message.value) for offset, message in enumerate(messages)]
    model = Model()
    outcome = model.advance(records, {})
    rejected = [each for each in outcome.rejections.values() if each.reason != Reason.EVENT_ID_CONFLICT]
    assert len(rejected) >= 300
    # and all kinds of outcomes occur.
    assert {each.reason for each in outcome.rejections.values()} == set(Reason) - {Reason.TOO_LARGE, Reason.UNREADABLE}
    assert {run.status for run in model.runs.values()} == set(STATUSES)
    assert model.parents.keys() - model.runs.keys()
    assert len(outcome.repeats) > 200


def test_the_key_is_utf8_and_the_last_of_repeated_names_counts() -> None:
    event = classify(record(0, "é".encode(), b'{"type":"x","id":"a","id":"b","timestamp":"2026-03-01T12:00:00Z"}'))
    assert (event.run_id, event.id, event.type) == ("é", "b", "x")


def test_a_timestamp_that_timestamptz_cannot_hold_is_store_rejected() -> None:
    value = b'{"type":"x","id":"a","timestamp":"2026-03-01T12:00:00Z"}'
    with pytest.raises(Rejected, match="store_rejected"):
        classify(Record(Place(0, 0), 2**62, b"run", value))


def test_a_million_values_are_accepted_and_one_more_is_not() -> None:
    # Given an object with an array, a million values in total without the member's name,
    text = '{"a" : [' + ",".join(["[]", '"x,:[]{}\\""'] * ((MAX_VALUES - 2) // 2)) + "]}"
    # then they are accepted, and one more is not.
    assert not has_too_many_values(text)
    assert has_too_many_values(text.replace("]}", ",1]}"))


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        (r'"\u0000"', r'"\ufffd"'),
        (r'"\\u0000"', r'"\\u0000"'),
        (r'"\\\u0000"', r'"\\\ufffd"'),
        (r'"\ud83d\ude00"', r'"\ud83d\ude00"'),
        (r'"\uD83D\ud83d\ude00"', r'"\ufffd\ud83d\ude00"'),
        (r'"\ude00\ud83d"', r'"\ufffd\ufffd"'),
        (r'"\ud83d\n\ude00"', r'"\ufffd\n\ufffd"'),
    ],
)
def test_only_characters_that_jsonb_cannot_hold_are_replaced(text: str, stored: str) -> None:
    assert storable_text(text) == stored


FITTING = ["0", "-0", "1e131071", "0.1e131072", "1e-16383", "1" + "0" * 131_071, "0e131072"]
NOT_FITTING = ["1e131072", "10e131071", "1e-16384", "1.0e-16383", "0e-16384", "1e-99999999999"]


@pytest.mark.parametrize(
    ("literal", "fits"), [*((literal, True) for literal in FITTING), *((literal, False) for literal in NOT_FITTING)]
)
def test_numbers_fit_up_to_the_limits_of_numeric(literal: str, fits: bool) -> None:
    assert fits_numeric(literal) == fits


def status_after(status: str, kind: str, tool: str | None) -> str:
    fold = Fold(status)
    fold.add({"type": kind, "id": "e", "tool": "", "tool_name": tool})
    return fold.status


@pytest.mark.parametrize("status", [*STATUSES, "by_tool"])
def test_the_status_changes_as_the_contract_says(status: str) -> None:
    finished = status in ("by_tool", "completed", "failed")
    stays = status in ("completed", "failed")
    for stimulus in ("input", "run_resumed"):
        assert status_after(status, stimulus, None) == "running"
    for tool in WAITING_TOOLS:
        assert status_after(status, "tool_requested", tool) == (status if finished else "waiting")
        assert status_after(status, "tool_succeeded", tool) == (status if finished else "running")
        assert status_after(status, "tool_failed", tool) == (status if finished else "running")
    for tool in TERMINAL_TOOLS:
        assert status_after(status, "tool_succeeded", tool) == (status if finished else "by_tool")
        assert status_after(status, "tool_failed", tool) == status
        assert status_after(status, "tool_requested", tool) == status
    assert status_after(status, "run_waiting", None) == (status if finished else "waiting")
    assert status_after(status, "run_completed", None) == (status if stays else "completed")
    assert status_after(status, "run_failed", None) == (status if stays else "failed")
    for audit in ("llm_called", "llm_failed", "context_assembled", "run_started", "events_dropped", "note"):
        assert status_after(status, audit, "done") == status


def test_the_checker_follows_questions_by_hand() -> None:
    # Each row: an event, and the status and the open questions after it.
    rows = [
        ({"type": "tool_requested", "id": "1", "tool_name": "ask_human"}, "waiting", "1"),
        ({"type": "tool_requested", "id": "2", "tool_name": "approve", "role": "waits"}, "waiting", "12"),
        ({"type": "tool_requested", "id": "3", "tool_name": "ask_human"}, "waiting", "123"),
        ({"type": "tool_succeeded", "tool_name": "ask_human", "parent_event_id": "3"}, "waiting", "12"),
        ({"type": "tool_failed", "tool_name": "ask_human", "parent_event_id": "3"}, "waiting", "12"),
        ({"type": "input", "tool": "human_response", "parent_event_id": "3"}, "waiting", "12"),
        ({"type": "input", "tool": "message_from_user", "parent_event_id": "1"}, "running", "12"),
        ({"type": "tool_requested", "id": "4", "tool_name": "spawn_agent"}, "waiting", "124"),
        ({"type": "input", "tool": "human_response"}, "waiting", "24"),
        ({"type": "tool_succeeded", "tool_name": "approve"}, "waiting", "4"),
        ({"type": "tool_succeeded", "tool_name": "approve", "role": "finishes"}, "by_tool", ""),
        ({"type": "input", "tool": "human_response", "parent_event_id": "4"}, "running", ""),
    ]
    fold = Fold()
    for event, status, open_questions in rows:
        fold.add(event)
        assert (fold.status, "".join(name for name, _ in fold.open)) == (status, open_questions), event
    assert [name for name, _ in fold.answered] == ["3", "1", "2", "4"]


def test_the_checker_imports_nothing_of_the_product() -> None:
    imported = set()
    for path in Path(__file__).parents[1].joinpath("checker").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            imported |= {*names, node.module or ""} if isinstance(node, ast.ImportFrom) else set(names)
    assert imported
    assert not {name for name in imported if name.split(".")[0] in ("consumer", "agent_runs", "msgspec")}
