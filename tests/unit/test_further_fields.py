"""Fields beyond the contract: every call of the emitter takes them, and decoded events have them."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from agent_runs import Input, LlmCalled, Run, RunEvent, UnknownEvent, decode_event, encode_event
from agent_runs.testing import RecordingEmitter
from tests.support.builders import message

USAGE = {"input_tokens": 12, "output_tokens": 3}

Call = Callable[..., str]


def sent(emitter: RecordingEmitter) -> list[dict[str, Any]]:
    """The messages as JSON. No event may be dropped."""
    assert emitter.stats().dropped == {}
    return [json.loads(record.value) for record in emitter.records]


# For every type, the method and arguments without further fields.
CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "input": (("message_from_user", 1), {}),
    "context_assembled": ((1,), {}),
    "llm_called": ((), {"model": "m", "user_prompt": "u", "raw_response": "r"}),
    "llm_failed": ((), {"model": "m", "user_prompt": "u", "error": "no"}),
    "tool_requested": (("search", 1), {}),
    "tool_succeeded": (("search", 1), {}),
    "tool_failed": (("search", "no"), {}),
    "run_started": ((), {"agent_id": "a"}),
    "run_waiting": ((), {}),
    "run_resumed": ((), {}),
    "run_completed": ((), {}),
    "run_failed": (("no",), {}),
    "events_dropped": ((1,), {}),
}


@pytest.mark.parametrize("name", CALLS)
def test_every_method_stores_further_keywords_and_extra(emitter: RecordingEmitter, run: Run, name: str) -> None:
    arguments, keywords = CALLS[name]
    getattr(run, name)(*arguments, **keywords, usage=USAGE, extra={"team": "refunds", "call_id": "c-1"})

    (fields,) = sent(emitter)
    assert fields["type"] == name
    assert {key: fields[key] for key in ("usage", "team", "call_id")} == {
        "usage": USAGE,
        "team": "refunds",
        "call_id": "c-1",
    }
    (event,) = emitter.events()
    assert event.further_fields == {"usage": USAGE, "team": "refunds", "call_id": "c-1"}


def test_start_run_and_child_take_further_fields(emitter: RecordingEmitter) -> None:
    run = emitter.start_run(agent_id="a", session_id="s", build="4f2", extra={"region": "eu"})
    run.child(agent_id="b", build="4f3", parent_run_id="mine")

    started, child = sent(emitter)
    assert (started["build"], started["region"], started["session_id"]) == ("4f2", "eu", "s")
    assert (child["build"], child["parent_run_id"], child["extra.parent_run_id"]) == ("4f3", run.id, "mine")


def test_emit_takes_further_fields_for_events_of_any_type(emitter: RecordingEmitter) -> None:
    event = Input(id="e1", timestamp=datetime(2026, 1, 1, tzinfo=UTC), tool="t", data=1)
    emitter.emit("r", event, usage=USAGE)
    emitter.emit("r", decode_event(message("brand_new", id="e2", more=[1])), usage=USAGE, more=2, extra={"id": 3})

    known, unknown = sent(emitter)
    assert (known["usage"], known["data"]) == (USAGE, 1)
    assert (unknown["usage"], unknown["more"], unknown["extra.more"]) == (USAGE, [1], 2)
    assert (unknown["id"], unknown["extra.id"]) == ("e2", 3)


def test_a_tool_call_has_further_fields_in_the_request_and_in_the_answer(emitter: RecordingEmitter, run: Run) -> None:
    with run.tool("search", call_id="c-1", tags=["a"]) as call:
        call.extra["hits"] = 7
    with pytest.raises(LookupError), run.tool("search", extra={"call_id": "c-2"}):
        raise LookupError

    requested, succeeded, _, failed = sent(emitter)
    assert (requested["call_id"], requested["tags"]) == ("c-1", ["a"])
    assert (succeeded["call_id"], succeeded["hits"], "tags" in succeeded) == ("c-1", 7, False)
    assert (failed["call_id"], failed["error_type"]) == ("c-2", "LookupError")


# --- names that are taken ---


@pytest.mark.usefixtures("own_logs")
@pytest.mark.parametrize("name", ["type", "id", "timestamp", "parent_event_id", "data"])
def test_a_field_of_the_contract_is_never_replaced(
    emitter: RecordingEmitter, run: Run, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        run.input("t", "mine", extra={name: "other"})

    fields, _ = sent(emitter)
    assert (fields["type"], fields["data"], fields["parent_event_id"]) == ("input", "mine", None)
    assert fields["id"] != "other"
    assert fields[f"extra.{name}"] == "other"
    assert [record.getMessage() for record in caplog.records] == [
        f"The field {name!r} of an event of type input is stored as 'extra.{name}', "
        "because the event has another field of this name"
    ]


def test_a_keyword_and_extra_with_the_same_name_are_both_stored(emitter: RecordingEmitter, run: Run) -> None:
    run.run_waiting(usage=1, extra={"usage": 2, "extra.usage": 3})

    (fields,) = sent(emitter)
    assert sorted((fields[name], name) for name in fields if name.endswith("usage")) == [
        (1, "usage"),
        (2, "extra.usage"),
        (3, "extra.extra.usage"),
    ]


def test_fields_may_have_any_name(emitter: RecordingEmitter, run: Run) -> None:
    further: Any = {"self": 1, "event_class": 2, "fields": 3, "": 4, "\ud800": 5, "extra": {6: 7}}
    run.run_waiting(**further)

    (fields,) = sent(emitter)
    assert [fields[name] for name in ("self", "event_class", "fields", "", "\ud800", "6")] == [1, 2, 3, 4, 5, 7]


# --- values that are not JSON, and mappings that fail ---


class BrokenMapping(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise LookupError(key)

    def __iter__(self) -> Iterator[str]:
        raise LookupError

    def __len__(self) -> int:
        return 1


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "extra",
    ["text", [1], 7, BrokenMapping(), {"x": object()}, {"x": float("nan")}, {"x": nested(600)}, {"x": "\ud800"}, {}],
    ids=range(9),
)
def test_no_event_is_dropped_for_its_further_fields(emitter: RecordingEmitter, run: Run, extra: Any) -> None:
    run.input("message_from_user", "hi", extra=extra)

    (fields,) = sent(emitter)
    assert fields["data"] == "hi"


def test_an_extra_that_is_not_a_mapping_is_stored_as_a_field(emitter: RecordingEmitter, run: Run) -> None:
    run.run_waiting(extra=[1, 2])  # type: ignore[arg-type]

    (fields,) = sent(emitter)
    assert fields["extra"] == [1, 2]


# --- redaction ---


def test_the_mask_gets_further_fields_but_not_measurements() -> None:
    seen: dict[str, Any] = {}

    def mask(field: str, value: Any) -> Any:
        seen[field] = value
        return "masked"

    emitter = RecordingEmitter(mask=mask)
    emitter.run("r").tool_failed("search", LookupError("no"), customer="Ada", duration_ms=5)
    emitter.emit("r", decode_event(message("input", usage=USAGE)))

    failed, decoded = sent(emitter)
    assert seen == {
        "tool_failed.error": "LookupError: no",
        "tool_failed.customer": "Ada",
        "input.data": {"text": "hi"},
    } | {"input.usage": USAGE}
    assert (failed["customer"], failed["duration_ms"], failed["error_type"]) == ("masked", 5, "LookupError")
    assert decoded["usage"] == "masked"


# --- decoding ---


def test_a_decoded_event_has_its_further_fields_and_encoding_keeps_them() -> None:
    value = message("llm_called", usage=USAGE, **{"\ud800": 1})
    event = decode_event(value)

    assert event.further_fields == {"usage": USAGE, "\ud800": 1}
    assert json.loads(encode_event(event))["usage"] == USAGE
    assert decode_event(encode_event(event)).further_fields == event.further_fields


def test_an_event_that_was_not_decoded_has_no_further_fields() -> None:
    event: RunEvent = Input(id="e", timestamp=datetime.now(UTC), tool="t", data=1)

    assert event.further_fields == {}
    assert decode_event(encode_event(event)).further_fields == {}


def test_the_further_fields_of_an_unknown_event_are_all_but_the_common_ones() -> None:
    event = decode_event(message("brand_new", name="n", message="m"))

    assert isinstance(event, UnknownEvent)
    assert event.further_fields == {"name": "n", "message": "m"}


# --- prompts ---


def test_prompts_that_are_not_text_are_stored_as_canonical_json(emitter: RecordingEmitter, run: Run) -> None:
    messages = [{"role": "user", "content": "Grüße"}, {"role": "assistant", "content": None}]
    run.llm_called(model="m", system_prompt=None, user_prompt=messages, raw_response={"b": 1, "a": float("inf")})
    run.llm_called(model="m", user_prompt='["text"]', raw_response="\ud800")

    assert emitter.stats().dropped == {}
    first, second = emitter.events()
    assert isinstance(first, LlmCalled)
    assert isinstance(second, LlmCalled)
    assert first.system_prompt == "null"
    assert first.user_prompt == '[{"content":"Grüße","role":"user"},{"content":null,"role":"assistant"}]'
    assert first.raw_response == '{"a":{"$repr":"inf"},"b":1}'
    assert (second.system_prompt, second.user_prompt, second.raw_response) == ("", '["text"]', "\ud800")


def test_the_mask_gets_prompts_as_text() -> None:
    emitter = RecordingEmitter(mask=lambda _, value: value.replace("4711", "****"))
    emitter.run("r").llm_called(model="m", user_prompt=["card 4711"], raw_response=["4711"])

    (fields,) = sent(emitter)
    assert (fields["user_prompt"], fields["raw_response"]) == ('["card ****"]', '["****"]')


def test_the_answer_of_a_tool_call_has_the_duration_of_the_block(recording_emitter: RecordingEmitter) -> None:
    run = recording_emitter.run("run")
    with run.tool("search"):
        pass
    with run.tool("search") as call:
        call.error = "no hits"
    with run.tool("search") as call:
        call.extra["duration_ms"] = 7  # measured by the agent

    answers = [event for event in recording_emitter.events() if event.type in ("tool_succeeded", "tool_failed")]
    first, second, third = (event.further_fields["duration_ms"] for event in answers)
    assert 0 <= first < 60_000
    assert 0 <= second < 60_000
    assert third == 7
