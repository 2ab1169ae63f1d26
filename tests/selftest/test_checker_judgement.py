"""The oracle's own reading of the contract, held against the table of specimens and against the limits by hand."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.checker.classify import Reason, Rejected, classify
from tests.checker.contract import TERMINAL_TOOLS, WAITING_TOOLS, status_after
from tests.checker.log import Place, Record
from tests.checker.model import Outcome, expect
from tests.checker.strict_json import MAX_VALUES, fits_numeric, has_too_many_values, storable_text
from tests.support.corpus import Script, Specimen, corpus, scripts
from tests.support.workloads.corpus_mix import workload

STATUSES = ("running", "waiting", "completed", "failed")


def record(offset: int, key: bytes | None, value: bytes | None) -> Record:
    return Record(Place(0, offset), 1_700_000_000_000 + offset, key, value)


def judged(value: bytes | None, key: bytes | None = b"run") -> str | None:
    try:
        classify(record(0, key, value))
    except Rejected as refused:
        return refused.reason
    return None


def outcome(step: Outcome, place: Place) -> str | None:
    if place in step.rejections:
        return step.rejections[place].reason
    return "repeat" if place in step.repeats else "event"


@pytest.mark.parametrize("specimen", corpus(), ids=lambda specimen: specimen.name.encode("unicode_escape").decode())
def test_every_specimen_is_judged_as_its_table_says(specimen: Specimen) -> None:
    message = specimen.message(b"run", "event")
    assert judged(message.value, message.key) == specimen.reason


@pytest.mark.parametrize("script", scripts(), ids=lambda script: script.name.encode("unicode_escape").decode())
def test_every_script_ends_as_it_says(script: Script) -> None:
    messages = script.messages(b"run", "event")
    records = [record(offset, message.key, message.value) for offset, message in enumerate(messages)]
    _, step = expect(records)
    assert [outcome(step, each.place) for each in records] == [step for _, step in script.steps]


def test_specimens_and_scripts_have_names_of_their_own() -> None:
    names = [specimen.name for specimen in corpus()] + [script.name for script in scripts()]
    assert len(names) == len(set(names))


def test_the_workload_is_the_same_for_the_same_seed_and_hostile_to_three_percent() -> None:
    # Given a seed, when the workload is made twice,
    messages = workload(seed=7)
    # then it is the same, of the size and the hostility that were asked for.
    assert messages == workload(seed=7) != workload(seed=8)
    assert len(messages) == 10_000
    records = [record(offset, message.key, message.value) for offset, message in enumerate(messages)]
    model, step = expect(records)
    refused = [letter for letter in step.rejections.values() if letter.reason != Reason.EVENT_ID_CONFLICT]
    assert len(refused) >= 300
    # And it has something of everything.
    assert {letter.reason for letter in step.rejections.values()} == set(Reason) - {Reason.TOO_LARGE}
    assert {run.status for run in model.runs.values()} == set(STATUSES)
    assert model.parents.keys() - model.runs.keys()
    assert len(step.repeats) > 200


def test_an_id_is_counted_in_bytes_and_a_later_name_counts() -> None:
    event = classify(record(0, "é".encode(), b'{"type":"x","id":"a","id":"b","timestamp":"2026-03-01T12:00:00Z"}'))
    assert (event.run_id, event.id, event.type) == ("é", "b", "x")


def test_a_time_that_no_timestamptz_holds_is_refused_by_the_store() -> None:
    value = b'{"type":"x","id":"a","timestamp":"2026-03-01T12:00:00Z"}'
    with pytest.raises(Rejected, match="store_rejected"):
        classify(Record(Place(0, 0), 2**62, b"run", value))


def test_a_million_values_are_taken_and_one_more_is_not() -> None:
    # Given an object, its name not counted, with an array, and in that what makes a million,
    text = '{"a" : [' + ",".join(["[]", '"x,:[]{}\\""'] * ((MAX_VALUES - 2) // 2)) + "]}"
    # when they are counted, then they are taken, and one more isn't.
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
def test_only_what_jsonb_cannot_hold_is_replaced(text: str, stored: str) -> None:
    assert storable_text(text) == stored


@pytest.mark.parametrize("literal", ["0", "-0", "1e131071", "0.1e131072", "1e-16383", "1" + "0" * 131_071, "0e131072"])
def test_numbers_at_the_border_fit(literal: str) -> None:
    assert fits_numeric(literal)


@pytest.mark.parametrize("literal", ["1e131072", "10e131071", "1e-16384", "1.0e-16383", "0e-16384", "1e-99999999999"])
def test_numbers_beyond_the_border_do_not(literal: str) -> None:
    assert not fits_numeric(literal)


@pytest.mark.parametrize("status", STATUSES)
def test_the_status_moves_as_the_contract_says(status: str) -> None:
    finished = status in ("completed", "failed")
    for stimulus in ("input", "run_resumed"):
        assert status_after(status, stimulus, None) == "running"
    for tool in WAITING_TOOLS:
        assert status_after(status, "tool_requested", tool) == (status if finished else "waiting")
        assert status_after(status, "tool_succeeded", tool) == (status if finished else "running")
        assert status_after(status, "tool_failed", tool) == (status if finished else "running")
    for tool in TERMINAL_TOOLS:
        assert status_after(status, "tool_succeeded", tool) == (status if finished else "completed")
        assert status_after(status, "tool_failed", tool) == status
        assert status_after(status, "tool_requested", tool) == status
    assert status_after(status, "run_waiting", None) == (status if finished else "waiting")
    assert status_after(status, "run_completed", None) == (status if finished else "completed")
    assert status_after(status, "run_failed", None) == (status if finished else "failed")
    for audit in ("llm_called", "context_assembled", "run_started", "events_dropped", "note"):
        assert status_after(status, audit, "done") == status


def test_the_oracle_shares_no_code_with_what_it_judges() -> None:
    imported = set()
    for path in Path(__file__).parents[1].joinpath("checker").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            imported |= {*names, node.module or ""} if isinstance(node, ast.ImportFrom) else set(names)
    assert imported
    assert not {name for name in imported if name.split(".")[0] in ("consumer", "agent_runs", "msgspec")}
